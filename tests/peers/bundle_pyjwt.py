"""Verifies a policy bundle with PyPI's PyJWT, and signs one. Reads one JSON object, writes one: see tests/bundles/peers.rs."""

import base64
import json
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

given = json.load(sys.stdin)
public = ECAlgorithm.from_jwk(given["keys"]["keys"][0])
# The test has a clock of its own.
OPTIONS = {"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "aud"]}


def decode(text, fleet):
    return jwt.decode_complete(text, public, algorithms=["ES256"], audience=fleet, options=OPTIONS)


def outcome(text, fleet):
    try:
        decode(text, fleet)
        return "accepted"
    except jwt.InvalidTokenError as error:
        return type(error).__name__


verified = decode(given["bundle"], given["fleet"])
header, _, signature = given["bundle"].split(".")
changed = json.dumps({**verified["payload"], "revision": 99}).encode()
changed = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
key = ec.generate_private_key(ec.SECP256R1())
own = {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "alg": "ES256", "kid": "pyjwt", "use": "sig"}
own.pop("key_ops", None)
made = jwt.encode(given["payload"], key, algorithm="ES256", headers={"kid": "pyjwt", "typ": "policy-bundle+jwt"})
print(
    json.dumps(
        {
            "payload": verified["payload"],
            "header": verified["header"],
            "made": made,
            "key": own,
            "tampered": outcome(f"{header}.{changed}.{signature}", given["fleet"]),
            "other_fleet": outcome(given["bundle"], "shop-test"),
        }
    )
)
