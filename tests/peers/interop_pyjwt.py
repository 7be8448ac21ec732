"""Mints and verifies with PyPI's PyJWT. Reads one JSON object, writes one: see tests/interop/main.rs."""

import base64
import json
import os
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def new_key(alg):
    """A private key and its public JWK; the same secret twice for a shared one."""
    if alg.startswith("HS"):
        secret = os.urandom(64)
        return secret, {"kty": "oct", "k": base64.urlsafe_b64encode(secret).rstrip(b"=").decode()}
    if alg in CURVES:
        key = ec.generate_private_key(CURVES[alg]())
        return key, ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    if alg in ("EdDSA", "Ed25519"):
        key = ed25519.Ed25519PrivateKey.generate()
        return key, OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    if alg.startswith(("RS", "PS")):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return key, RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    raise ValueError(alg)


def main():
    given = json.load(sys.stdin)
    output = {"tokens": [], "keys": [], "unsupported": [], "verdicts": []}
    for alg in given["algorithms"]:
        try:
            kid = f"pyjwt-{alg}"
            key, public = new_key(alg)
            token = jwt.encode(given["claims"], key, algorithm=alg, headers={"kid": kid, "typ": "at+jwt"})
            public = {name: value for name, value in public.items() if name != "key_ops"}
            output["tokens"].append({"alg": alg, "token": token})
            output["keys"].append({**public, "kid": kid, "alg": alg, "use": "sig"})
        except Exception:  # whatever it is, this library does not have the algorithm
            output["unsupported"].append(alg)
    for item in given["tokens"]:
        alg = item["alg"]
        try:
            kid = jwt.get_unverified_header(item["token"])["kid"]
            key = next(key for key in given["keys"] if key["kid"] == kid)
            claims = jwt.decode(
                item["token"],
                jwt.PyJWK(key, algorithm=alg),
                algorithms=[alg],
                audience=given["claims"]["aud"],
                issuer=given["claims"]["iss"],
            )
            output["verdicts"].append({"alg": alg, "subject": claims["sub"]})
        except Exception as error:
            output["verdicts"].append({"alg": alg, "refused": f"{type(error).__name__}: {error}"})
    print(json.dumps(output))


main()
