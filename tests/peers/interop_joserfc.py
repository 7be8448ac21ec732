"""Mints and verifies with PyPI's joserfc. Reads one JSON object, writes one: see tests/interop/main.rs."""

import json
import sys
import warnings

from joserfc import jwk, jwt

warnings.simplefilter("ignore")

CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def new_key(alg):
    named = {"alg": alg, "kid": f"joserfc-{alg}", "use": "sig"}
    if alg.startswith("HS"):
        return jwk.OctKey.generate_key(512, named)
    if alg in CURVES:
        return jwk.ECKey.generate_key(CURVES[alg], named)
    if alg in ("EdDSA", "Ed25519"):
        return jwk.OKPKey.generate_key("Ed25519", named)
    if alg.startswith(("RS", "PS")):
        return jwk.RSAKey.generate_key(2048, named)
    raise ValueError(alg)


def main():
    given = json.load(sys.stdin)
    output = {"tokens": [], "keys": [], "unsupported": [], "verdicts": []}
    for alg in given["algorithms"]:
        try:
            key = new_key(alg)
            header = {"alg": alg, "kid": key.kid, "typ": "at+jwt"}
            token = jwt.encode(header, given["claims"], key, algorithms=[alg])
            output["tokens"].append({"alg": alg, "token": token})
            output["keys"].append(key.as_dict(private=alg.startswith("HS")))
        except Exception:  # whatever it is, this library does not have the algorithm
            output["unsupported"].append(alg)
    for item in given["tokens"]:
        alg = item["alg"]
        try:
            kid = json.loads(jwk_header(item["token"]))["kid"]
            key = next(key for key in given["keys"] if key["kid"] == kid)
            token = jwt.decode(item["token"], jwk.import_key(key), algorithms=[alg])
            registry = jwt.JWTClaimsRegistry(
                iss={"essential": True, "value": given["claims"]["iss"]},
                aud={"essential": True, "value": given["claims"]["aud"]},
            )
            registry.validate(token.claims)
            output["verdicts"].append({"alg": alg, "subject": token.claims["sub"]})
        except Exception as error:
            output["verdicts"].append({"alg": alg, "refused": f"{type(error).__name__}: {error}"})
    print(json.dumps(output))


def jwk_header(token):
    import base64

    header = token.split(".")[0]
    return base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))


main()
