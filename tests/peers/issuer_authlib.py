"""Uses an issuer through PyPI's Authlib and joserfc. Reads one JSON object, writes one: see tests/issuer/peers.rs."""

import json
import sys
import urllib.parse
import urllib.request

from authlib.oauth2.client import OAuth2Client
from joserfc import jwk, jwt


class Answer:
    def __init__(self, response):
        self.status_code = response.status
        self.text = response.read().decode()

    def json(self):
        return json.loads(self.text)

    def raise_for_status(self):
        pass


class Session:
    """The little of an HTTP session that Authlib's client needs; credentials are prepared by Authlib."""

    def post(self, url, data=None, headers=None, auth=None, **_):
        headers = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        body = urllib.parse.urlencode(data)
        if auth is not None:
            url, headers, body = auth.prepare("POST", url, headers, body)
        body = body if isinstance(body, bytes) else body.encode()
        request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")
        try:
            return Answer(urllib.request.urlopen(request))
        except urllib.error.HTTPError as error:
            return Answer(error)


def get(url):
    with urllib.request.urlopen(url) as response:
        return json.load(response)


def main():
    given = json.load(sys.stdin)
    metadata = get(given["issuer"] + "/.well-known/oauth-authorization-server")
    tokens = []
    for method in ("client_secret_basic", "client_secret_post"):
        client = OAuth2Client(
            Session(), client_id="orders", client_secret=given["secret"], token_endpoint_auth_method=method, scope="read"
        )
        tokens.append(client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials"))
        exchanged = client.fetch_token(
            metadata["token_endpoint"],
            grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token=given["user_token"],
            subject_token_type="urn:ietf:params:oauth:token-type:access_token",
        )
        tokens.append(exchanged)
    keys = jwk.KeySet.import_key_set(get(metadata["jwks_uri"]))
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": given["issuer"]}, aud={"essential": True, "value": "billing"}
    )
    subjects = []
    for token in tokens:
        decoded = jwt.decode(token["access_token"], keys, algorithms=["ES256"])
        rules.validate(decoded.claims)
        subjects.append(decoded.claims["sub"])
    print(json.dumps({"subjects": subjects, "lifetimes": [token["expires_in"] for token in tokens]}))


main()
