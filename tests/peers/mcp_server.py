"""A server of the Model Context Protocol on loopback that knows nothing of authorization (PyPI's mcp): a gateway decides who
reaches it.

    ./install; venv_mcp/bin/python mcp_server.py

Prints one JSON line when ready: {"url","port"}. Tools: list_orders, delete_order, whoami. `whoami` answers the request's headers
`x-caller` and `authorization`.
"""

import json
import socket

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("orders")


@server.tool(structured_output=False)
def list_orders() -> str:
    """Lists orders"""
    return "order 1"


@server.tool(structured_output=False)
def delete_order() -> str:
    """Deletes an order"""
    return "deleted"


@server.tool(structured_output=False)
def whoami(context: Context) -> str:
    """The headers of the request"""
    headers = context.request_context.request.headers
    return json.dumps({"subject": headers.get("x-caller"), "has_token": "authorization" in headers})


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
port = listener.getsockname()[1]
print(json.dumps({"url": f"http://127.0.0.1:{port}/mcp", "port": port}), flush=True)
app = server.streamable_http_app(json_response=True, stateless_http=True)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
