package idp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // names certificates, as clients do
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"portcullis/internal/directory"
	"portcullis/internal/idp"
	"portcullis/internal/store"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// keyPair is a certificate and its key.
type keyPair struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// rsaKeys are made once: finding primes takes its time.
var rsaKeys = sync.OnceValues(func() ([]*rsa.PrivateKey, error) {
	var list []*rsa.PrivateKey
	for range 2 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, nil
})

func (w *world) pair(key crypto.Signer) keyPair {
	w.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"},
		NotBefore: w.now().Add(-time.Hour), NotAfter: w.now().Add(90 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return keyPair{key, cert}
}

// thumbprint is kid as Terraform writes it.
func (k keyPair) thumbprint() string {
	sum := sha1.Sum(k.cert.Raw)
	return base64.URLEncoding.EncodeToString(sum[:])
}

// register gives the application web what it may prove itself by.
func (w *world) register(keys []directory.AppKey, trusts ...directory.Trust) {
	w.t.Helper()
	list, err := w.store.ObjectsByID(w.t.Context(), contoso, ids(webObject))
	if err != nil || len(list) != 1 {
		w.t.Fatalf("got %d applications and %v, want one", len(list), err)
	}
	o := list[0].Clone()
	o.App.Keys, o.App.Trusts = keys, trusts
	w.commit(store.Commit{Objects: []directory.Object{o}})
}

// draft is an assertion to be signed.
type draft struct {
	alg     jose.SignatureAlgorithm
	key     any
	headers map[jose.HeaderKey]any
	claims  map[string]any
}

// terraform drafts what Terraform sends for a certificate (reference client-requirements §3).
func (w *world) terraform(k keyPair) draft {
	return draft{
		alg: jose.RS256, key: k.key, headers: map[jose.HeaderKey]any{"kid": k.thumbprint(), "typ": "JWT"},
		claims: map[string]any{
			"iss": web, "sub": web, "aud": w.url + "/" + string(contoso) + "/oauth2/v2.0/token", "jti": rand.Text(),
			"nbf": w.now().Unix(), "exp": w.now().Add(time.Hour).Unix(),
		},
	}
}

func (w *world) sign(d draft) string {
	w.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: d.alg, Key: d.key}, &jose.SignerOptions{ExtraHeaders: d.headers})
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := json.Marshal(d.claims)
	if err != nil {
		w.t.Fatal(err)
	}
	jws, err := signer.Sign(body)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// assert asks for a token with an assertion; more are further fields in turn.
func (w *world) assert(assertion string, more ...string) (int, map[string]any) {
	w.t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_assertion_type": {jwtBearer}, "client_assertion": {assertion},
		"scope": {w.url + "/.default"},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return w.post("/"+string(contoso)+"/oauth2/v2.0/token", form)
}

func TestCertificateSignsIn(t *testing.T) {
	w := newWorld(t)
	keys, err := rsaKeys()
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pair, bent := w.pair(keys[0]), w.pair(curve)
	w.register([]directory.AppKey{{ID: "k1", Certificate: bent.cert.Raw}, {ID: "k2", Certificate: pair.cert.Raw}})
	long := sha256.Sum256(pair.cert.Raw)
	for _, c := range []struct {
		name   string
		change func(*draft)
		more   []string
	}{
		{"as Terraform does", func(*draft) {}, []string{"client_id", web}},
		{"without client_id", func(*draft) {}, nil},
		{"as MSAL does", func(d *draft) {
			d.alg = jose.PS256
			d.headers = map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(long[:])}
			d.claims["exp"] = w.now().Add(10 * time.Minute).Unix()
		}, []string{"client_id", web}},
		{"by the old fingerprint", func(d *draft) {
			d.headers = map[jose.HeaderKey]any{"x5t": strings.TrimRight(pair.thumbprint(), "=")}
		}, nil},
		{"by the id of the key", func(d *draft) { d.headers = map[jose.HeaderKey]any{"kid": "k2"} }, nil},
		{"without saying which", func(d *draft) { d.headers = nil }, nil},
		{"on a curve", func(d *draft) { d.alg, d.key, d.headers = jose.ES256, curve, nil }, nil},
		{"for the issuer", func(d *draft) { d.claims["aud"] = []string{"x", w.url + "/" + string(contoso) + "/v2.0"} }, nil},
		{"by the tenant's domain", func(d *draft) { d.claims["aud"] = w.url + "/contoso.example/oauth2/v2.0/token" }, nil},
		{"without jti", func(d *draft) { delete(d.claims, "jti") }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := w.terraform(pair)
			c.change(&d)
			status, got := w.assert(w.sign(d), c.more...)
			token, _ := got["access_token"].(string)
			if status != http.StatusOK || token == "" {
				t.Fatalf("got %d %v, want a token", status, got)
			}
			wantClaims(t, token, map[string]any{
				"oid": string(webObject), "appid": web, "idtyp": "app", "azpacr": "2", "roles": []any{permissions[0]},
			})
		})
	}
}

func TestAssertionsThatProveNothing(t *testing.T) {
	w := newWorld(t)
	keys, err := rsaKeys()
	if err != nil {
		t.Fatal(err)
	}
	pair, other := w.pair(keys[0]), w.pair(keys[1])
	registered := directory.AppKey{ID: "k1", Certificate: pair.cert.Raw}
	at := func(d time.Duration) int64 { return w.now().Add(d).Unix() }
	none := func(d draft) string {
		head, err := json.Marshal(map[string]any{"alg": "none", "kid": pair.thumbprint()})
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(d.claims)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
	}
	for _, c := range []struct {
		name   string
		keys   []directory.AppKey
		change func(*draft)
		sign   func(draft) string
	}{
		{"no key registered", nil, nil, nil},
		{"another key under the same name", nil, func(d *draft) { d.key = keys[1] }, nil},
		{"another certificate's name", nil, func(d *draft) { d.headers = map[jose.HeaderKey]any{"kid": other.thumbprint()} }, nil},
		{"another certificate's old fingerprint", nil, func(d *draft) { d.headers = map[jose.HeaderKey]any{"x5t": other.thumbprint()} }, nil},
		{"another certificate's new fingerprint", nil, func(d *draft) { d.headers = map[jose.HeaderKey]any{"x5t#S256": "AAAA"} }, nil},
		{"another certificate", nil, func(d *draft) { *d = w.terraform(other) }, nil},
		{"unsigned", nil, nil, none},
		{"signed with the certificate as a secret", nil, func(d *draft) { d.alg, d.key = jose.HS256, pair.cert.Raw }, nil},
		{"altered", nil, nil, func(d draft) string {
			parts := strings.Split(w.sign(d), ".")
			d.claims["sub"] = app
			body, err := json.Marshal(d.claims)
			if err != nil {
				t.Fatal(err)
			}
			return parts[0] + "." + base64.RawURLEncoding.EncodeToString(body) + "." + parts[2]
		}},
		{"no JWT", nil, nil, func(draft) string { return "x" }},
		{"oversized", nil, func(d *draft) { d.claims["x"] = strings.Repeat("a", 20<<10) }, nil},
		{"expired", nil, func(d *draft) { d.claims["exp"] = at(-2 * time.Minute) }, nil},
		{"not yet valid", nil, func(d *draft) { d.claims["nbf"] = at(10 * time.Minute) }, nil},
		{"without an end", nil, func(d *draft) { delete(d.claims, "exp") }, nil},
		{"with a distant end", nil, func(d *draft) { d.claims["exp"] = at(48 * time.Hour) }, nil},
		{"for another server", nil, func(d *draft) {
			d.claims["aud"] = "https://login.microsoftonline.com/" + string(contoso) + "/oauth2/v2.0/token"
		}, nil},
		{"for another tenant", nil, func(d *draft) { d.claims["aud"] = w.url + "/" + string(fabrikam) + "/oauth2/v2.0/token" }, nil},
		{"for all tenants at one's address", nil, func(d *draft) { d.claims["aud"] = w.url + "/common/oauth2/v2.0/token" }, nil},
		{"for an API", nil, func(d *draft) { d.claims["aud"] = w.url }, nil},
		{"for nobody", nil, func(d *draft) { delete(d.claims, "aud") }, nil},
		{"of another application", nil, func(d *draft) { d.claims["iss"], d.claims["sub"] = app, app }, nil},
		{"of another issuer", nil, func(d *draft) { d.claims["iss"] = "https://evil.example" }, nil},
		{"of an application elsewhere", nil, func(d *draft) { d.claims["iss"], d.claims["sub"] = foreign, foreign }, nil},
		{"certificate that ended", []directory.AppKey{{ID: "k", Certificate: pair.cert.Raw, Ends: w.now().Add(-time.Second)}}, nil, nil},
		{"certificate to come", []directory.AppKey{{ID: "k", Certificate: pair.cert.Raw, Starts: w.now().Add(time.Hour)}}, nil, nil},
		{"certificate that cannot be read", []directory.AppKey{{ID: "k", Certificate: []byte("x")}}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := c.keys
			if list == nil && c.name != "no key registered" {
				list = []directory.AppKey{registered}
			}
			w.register(list)
			d := w.terraform(pair)
			if c.change != nil {
				c.change(&d)
			}
			sign := w.sign
			if c.sign != nil {
				sign = c.sign
			}
			wantNoToken(t, w, sign(d))
		})
	}
}

func wantNoToken(t *testing.T, w *world, assertion string, more ...string) {
	t.Helper()
	if status, got := w.assert(assertion, more...); status != http.StatusUnauthorized || got["error"] != "invalid_client" ||
		got["access_token"] != nil {
		t.Errorf("got %d %v, want 401 invalid_client", status, got)
	}
}

// TestAssertionWorksOnce counts the same claims under another signature too, and lets it serve for another resource.
func TestAssertionWorksOnce(t *testing.T) {
	w := newWorld(t)
	keys, err := rsaKeys()
	if err != nil {
		t.Fatal(err)
	}
	pair := w.pair(keys[0])
	w.register([]directory.AppKey{{ID: "k1", Certificate: pair.cert.Raw}})
	d := w.terraform(pair)
	first := w.sign(d)
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if status, _ := w.assert(first); status == http.StatusOK {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d of 8 got a token with one assertion, want 1", won.Load())
	}
	wantNoToken(t, w, first)
	d.alg = jose.PS256
	wantNoToken(t, w, w.sign(d))
	if status, got := w.assert(first, "scope", "https://management.azure.com/.default"); status != http.StatusOK {
		t.Errorf("for another resource: got %d %v, want 200", status, got)
	}
	w.restart()
	wantNoToken(t, w, first)
	if got := w.logs.String(); strings.Contains(got, first) {
		t.Error("the log tells an assertion")
	}
}

// TestForeignTokenSignsIn lets an application prove itself by what runs it: the issuer's keys are fetched from a real
// server, and its token serves until it ends.
func TestForeignTokenSignsIn(t *testing.T) {
	keys, err := rsaKeys()
	if err != nil {
		t.Fatal(err)
	}
	builder := newIssuer(t, keys[1])
	w := newWorld(t, func(o *idp.Options) { o.Issuers = builder.server.Client() })
	trust := directory.Trust{
		ID: "t1", Name: "builder", Issuer: builder.server.URL, Subject: "repo:brightwater/shop:ref:refs/heads/main",
		Audiences: []string{"api://AzureADTokenExchange"},
	}
	w.register(nil, directory.Trust{Name: "elsewhere", Issuer: "https://elsewhere.example", Subject: trust.Subject, Audiences: trust.Audiences}, trust)
	draw := func(change func(*draft)) string {
		d := draft{alg: jose.RS256, key: builder.key, headers: map[jose.HeaderKey]any{"kid": "b1"}, claims: map[string]any{
			"iss": trust.Issuer, "sub": trust.Subject, "aud": trust.Audiences[0], "jti": "1",
			"iat": w.now().Unix(), "exp": w.now().Add(10 * time.Minute).Unix(),
		}}
		if change != nil {
			change(&d)
		}
		return w.sign(d)
	}
	token := draw(nil)
	for range 2 { // the plan, then the apply of the same job
		if status, got := w.assert(token, "client_id", web); status != http.StatusOK {
			t.Fatalf("got %d %v, want 200", status, got)
		}
	}
	for _, c := range []struct {
		name   string
		change func(*draft)
		more   []string
	}{
		{"another subject", func(d *draft) { d.claims["sub"] = "repo:brightwater/shop:pull_request" }, nil},
		{"a longer subject", func(d *draft) { d.claims["sub"] = trust.Subject + "x" }, nil},
		{"another audience", func(d *draft) { d.claims["aud"] = w.url }, nil},
		{"another issuer's name", func(d *draft) { d.claims["iss"] = trust.Issuer + "/" }, nil},
		{"another key", func(d *draft) { d.key = keys[0] }, nil},
		{"an unknown key", func(d *draft) { d.headers["kid"] = "b2" }, nil},
		{"expired", func(d *draft) { d.claims["exp"] = w.now().Add(-2 * time.Minute).Unix() }, nil},
		{"without an end", func(d *draft) { delete(d.claims, "exp") }, nil},
		{"for another application", nil, []string{"client_id", app}},
		{"without client_id", nil, []string{"client_id", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			more := c.more
			if more == nil {
				more = []string{"client_id", web}
			}
			wantNoToken(t, w, draw(c.change), more...)
		})
	}
	if asked := builder.asked.Load(); asked != 2 {
		t.Errorf("the issuer was asked %d times, want 2: for its document and its keys", asked)
	}
}

func TestIssuerOutOfReachIsTold(t *testing.T) {
	keys, err := rsaKeys()
	if err != nil {
		t.Fatal(err)
	}
	builder := newIssuer(t, keys[1])
	w := newWorld(t, func(o *idp.Options) { o.Issuers = builder.server.Client() })
	trust := directory.Trust{Name: "builder", Issuer: builder.server.URL, Subject: "s", Audiences: []string{"a"}}
	w.register(nil, trust)
	builder.server.Close()
	status, got := w.assert(w.sign(draft{alg: jose.RS256, key: builder.key, headers: map[jose.HeaderKey]any{"kid": "b1"}, claims: map[string]any{
		"iss": trust.Issuer, "sub": "s", "aud": "a", "exp": w.now().Add(time.Minute).Unix(),
	}}), "client_id", web)
	if status != http.StatusServiceUnavailable || got["error"] != "server_error" {
		t.Errorf("got %d %v, want 503 server_error", status, got)
	}
}

// issuer publishes a key as OpenID Connect issuers do.
type issuer struct {
	server *httptest.Server
	key    *rsa.PrivateKey
	asked  atomic.Int64
}

func newIssuer(t *testing.T, key *rsa.PrivateKey) *issuer {
	t.Helper()
	i := &issuer{key: key}
	i.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		var answer any
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			answer = map[string]string{"issuer": i.server.URL, "jwks_uri": i.server.URL + "/keys"}
		case "/keys":
			answer = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "b1", Algorithm: "RS256", Use: "sig"}}}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(i.server.Close)
	return i
}

func FuzzAssertion(f *testing.F) {
	keys, err := rsaKeys()
	if err != nil {
		f.Fatal(err)
	}
	w := newWorld(f)
	pair := w.pair(keys[0])
	w.register([]directory.AppKey{{ID: "k1", Certificate: pair.cert.Raw}})
	other := w.terraform(pair)
	other.key = keys[1]
	f.Add(w.sign(other))
	f.Add("a.b.c")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion_type": {jwtBearer}, "client_assertion": {text}, "client_id": {web},
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/"+string(contoso)+"/oauth2/v2.0/token", bodyOf(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		w.provider.ServeHTTP(answer, r)
		if answer.Code < 400 || answer.Code >= 500 {
			t.Errorf("got %d %s, want a refusal", answer.Code, answer.Body)
		}
	})
}
