// A server of Zitadel's OpenID Connect library, as its example, with clients, keys, audiences and claims of its own: the library
// leaves these to its user.
package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const scope = "orders:read"

// client gets JWTs as access tokens, and may request the scope of `orders`.
type client struct {
	op.Client
	grants []oidc.GrantType
}

func (c client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (c client) GrantTypes() []oidc.GrantType        { return c.grants }
func (c client) IsScopeAllowed(name string) bool     { return name == scope }

// key signs if it is the last one, and is published as long as its file is there.
type key struct {
	id      string
	private any
}

func (k key) ID() string                                  { return k.id }
func (k key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k key) Key() any                                    { return k.private }

type publicKey struct{ key }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return k.private.(crypto.Signer).Public() }

// request is a login whose access token is for `orders` if the scope was requested.
type request struct{ *storage.AuthRequest }

func (r request) GetAudience() []string { return audience(r.GetClientID(), r.GetScopes()) }

func audience(clientID string, scopes []string) []string {
	if slices.Contains(scopes, scope) {
		return []string{"orders"}
	}
	return []string{clientID}
}

// store is the example's storage in memory, with the keys in a folder.
type store struct {
	*storage.Storage
	folder string
}

// keys reads the keys, each a file of PKCS#8 (DER) with the name of the key, in the order of the names.
func (s *store) keys() ([]key, error) {
	folder := filepath.Join(s.folder, "keys")
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var found []key
	for _, file := range files {
		der, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return nil, err
		}
		private, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, err
		}
		found = append(found, key{file.Name(), private})
	}
	if len(found) == 0 {
		return nil, errors.New("no keys")
	}
	return found, nil
}

func (s *store) SigningKey(context.Context) (op.SigningKey, error) {
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	return keys[len(keys)-1], nil
}

func (s *store) KeySet(context.Context) ([]op.Key, error) {
	keys, err := s.keys()
	var published []op.Key
	for _, k := range keys {
		published = append(published, publicKey{k})
	}
	return published, err
}

func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{found, found.GrantTypes()}, nil
}

func (s *store) AuthRequestByID(ctx context.Context, id string) (op.AuthRequest, error) {
	return forOrders(s.Storage.AuthRequestByID(ctx, id))
}

func (s *store) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	return forOrders(s.Storage.AuthRequestByCode(ctx, code))
}

func forOrders(found op.AuthRequest, err error) (op.AuthRequest, error) {
	if known, ok := found.(*storage.AuthRequest); ok && err == nil {
		return request{known}, nil
	}
	return found, err
}

func (s *store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if id != "billing" {
		return nil, errors.New("a client of users")
	}
	if err := s.AuthorizeClientIDSecret(ctx, id, secret); err != nil {
		return nil, err
	}
	found, err := s.Storage.GetClientByClientID(ctx, id)
	return client{found, []oidc.GrantType{oidc.GrantTypeClientCredentials}}, err
}

func (s *store) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: audience(id, scopes), Scopes: scopes}, nil
}

func (s *store) JWTProfileTokenType(context.Context, op.TokenRequest) (op.AccessTokenType, error) {
	return op.AccessTokenTypeJWT, nil
}

func (s *store) ValidateJWTProfileScopes(_ context.Context, _ string, scopes []string) ([]string, error) {
	return slices.DeleteFunc(scopes, func(name string) bool { return name != scope }), nil
}

// GetKeyByIDAndClientID reads the public key of the service `shipping`.
func (s *store) GetKeyByIDAndClientID(_ context.Context, id, clientID string) (*jose.JSONWebKey, error) {
	if clientID != "shipping" {
		return nil, errors.New("no such service")
	}
	text, err := os.ReadFile(filepath.Join(s.folder, "shipping.json"))
	if err != nil {
		return nil, err
	}
	var public jose.JSONWebKey
	if err := json.Unmarshal(text, &public); err != nil {
		return nil, err
	}
	if public.KeyID != id {
		return nil, errors.New("no such key")
	}
	return &public, nil
}

// GetPrivateClaimsFromScopes writes what the library leaves out of access tokens: scopes, and the roles of users.
func (s *store) GetPrivateClaimsFromScopes(_ context.Context, subject, _ string, scopes []string) (map[string]any, error) {
	claims := map[string]any{"scope": strings.Join(scopes, " ")}
	if subject == "id1" {
		claims["roles"] = []string{"manager"}
	}
	return claims, nil
}

func main() {
	port, folder := os.Args[1], os.Args[2]
	issuer := "http://127.0.0.1:" + port
	storage.RegisterClients(
		storage.WebClient("web", "replace-me-web", "https://shop.example.com/callback"),
		storage.WebClient("billing", "replace-me-billing"),
	)
	s := &store{storage.NewStorage(storage.NewUserStore(issuer)), folder}
	err := http.ListenAndServe("127.0.0.1:"+port, exampleop.SetupServer(issuer, s, slog.Default(), false))
	slog.Error("the server ended", "error", err)
	os.Exit(1)
}
