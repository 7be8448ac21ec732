// A server of the Model Context Protocol on loopback that knows nothing of authorization (@modelcontextprotocol/sdk, revisions up to
// 2025-11-25): a gateway decides who reaches it.
//
//   ./install; node mcp_server.mjs
//
// Prints one JSON line when ready: {"url","port"}. Tools: list_orders, delete_order, whoami. `whoami` answers the request's headers
// `x-caller` and `authorization`.
import http from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

function makeServer() {
  const server = new McpServer({ name: 'orders', version: '1.0.0' });
  const said = (text) => ({ content: [{ type: 'text', text }] });
  server.registerTool('list_orders', { description: 'Lists orders' }, () => said('order 1'));
  server.registerTool('delete_order', { description: 'Deletes an order' }, () => said('deleted'));
  server.registerTool('whoami', { description: 'The headers of the request' }, ({ requestInfo }) => said(JSON.stringify({
    subject: requestInfo.headers['x-caller'] ?? null, has_token: 'authorization' in requestInfo.headers,
  })));
  return server;
}

const server = http.createServer(async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
  const one = makeServer();
  response.on('close', () => { transport.close(); one.close(); });
  await one.connect(transport);
  await transport.handleRequest(request, response);
});
server.listen(0, '127.0.0.1');
await new Promise((ready) => { server.once('listening', ready); });
const { port } = server.address();
console.log(JSON.stringify({ url: `http://127.0.0.1:${port}/mcp`, port }));
