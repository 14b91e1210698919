package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"portcullis/internal/auth"
	"portcullis/internal/pim"
)

const (
	tenant = "11111111-1111-4111-8111-111111111111"
	object = "aaaaaaaa-0000-4000-8000-000000000001"
	home   = "https://pim.example"
)

// keys is a set of keys that are at hand.
type keys map[string]*jose.JSONWebKey

func (k keys) Key(_ context.Context, kid string) (*jose.JSONWebKey, error) {
	if key := k[kid]; key != nil {
		return key, nil
	}
	return nil, auth.ErrNoKey
}

// issuerKeys are made once: RSA keys take their time.
var issuerKeys = sync.OnceValue(func() map[string]crypto.Signer {
	list := map[string]crypto.Signer{}
	for _, name := range []string{"one", "two", "stranger"} {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		list[name] = k
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	list["curve"] = k
	return list
})

func public(name string) *jose.JSONWebKey {
	alg := "RS256"
	if name == "curve" {
		alg = "ES256"
	}
	return &jose.JSONWebKey{Key: issuerKeys()[name].Public(), KeyID: name, Algorithm: alg, Use: "sig"}
}

type claimSet map[string]any

// person is a token of a person as the embedded issuer makes it.
func person(now time.Time) claimSet {
	return claimSet{
		"iss": home + "/" + tenant + "/v2.0", "aud": home, "sub": object, "oid": object, "tid": tenant,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "auth_time": now.Add(-time.Minute).Unix(),
		"amr": []string{"pwd", "mfa"}, "acrs": []string{"c1"}, "scp": "User.Read Role.Read", "appid": "client",
		"upn": "alice@contoso.example", "name": "Alice", "uti": "id-1",
	}
}

func (c claimSet) with(name string, value any) claimSet {
	c = maps.Clone(c)
	if c[name] = value; value == nil {
		delete(c, name)
	}
	return c
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, c claimSet) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		o = o.WithHeader("kid", kid)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func signed(t testing.TB, c claimSet) string {
	t.Helper()
	return sign(t, jose.RS256, issuerKeys()["one"], "one", c)
}

func embedded(now func() time.Time) auth.Options {
	return auth.Options{
		Issuers:   []auth.Issuer{{URL: home + "/{tid}/v2.0", Keys: keys{"one": public("one"), "curve": public("curve")}}},
		Audiences: []string{home, "https://graph.microsoft.com"},
		Now:       now,
	}
}

func verifier(t testing.TB, o auth.Options) *auth.Verifier {
	t.Helper()
	v, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWhatATokenProves(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	v := verifier(t, embedded(time.Now))
	got, err := v.Token(t.Context(), signed(t, person(now)))
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Token{
		Issuer: home + "/" + tenant + "/v2.0", Tenant: tenant, Object: object, ClientID: "client",
		Audiences: []string{"https://pim.example"}, Scopes: []string{"User.Read", "Role.Read"}, MFAAt: now.Add(-time.Minute), AuthTime: now.Add(-time.Minute),
		Contexts: []string{"c1"}, Name: "Alice", Account: "alice@contoso.example",
		IssuedAt: now, NotBefore: now, Expires: now.Add(time.Hour), ID: "id-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	if !got.FreshMFA(now, 0) || got.FreshMFA(now.Add(time.Hour), 0) || got.FreshMFA(now, time.Second) || !got.HasContext("c1") ||
		got.HasContext("c2") || !got.Permits("x", "user.read") || got.Permits("User.Write") {
		t.Error("the questions about the token are answered wrongly")
	}
	app, err := v.Token(t.Context(), signed(t, person(now).with("idtyp", "app").with("roles", []string{"Role.All"}).
		with("app_displayname", "Robot")))
	if err != nil {
		t.Fatal(err)
	}
	if !app.App || !app.MFAAt.IsZero() || app.Contexts != nil || app.Name != "Robot" || app.Account != "client" ||
		!cmp.Equal(app.Scopes, []string{"Role.All"}) || app.FreshMFA(now, time.Hour) {
		t.Errorf("an application's token proves %+v", app)
	}
	weak, err := v.Token(t.Context(), signed(t, person(now).with("amr", []string{"pwd"})))
	if err != nil || !weak.MFAAt.IsZero() || weak.AuthTime.IsZero() {
		t.Errorf("a password alone proves %+v (%v)", weak, err)
	}
	if _, err := v.Token(t.Context(), sign(t, jose.ES256, issuerKeys()["curve"], "curve", person(now))); err != nil {
		t.Errorf("ES256: %v", err)
	}
}

// TestHostileTokens is a page of tokens that prove nothing, and why.
func TestHostileTokens(t *testing.T) {
	now := time.Now()
	v := verifier(t, embedded(time.Now))
	good := person(now)
	token := signed(t, good)
	parts := strings.Split(token, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	none := b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	other := `{"iss":"` + home + `/` + tenant + `/v2.0","tid":"` + tenant + `","oid":"evil"}`
	der, err := json.Marshal(public("one"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token string
		reason      auth.Reason
	}{
		{"empty", "", auth.Missing},
		{"no JWT", "abc", auth.Malformed},
		{"five parts", token + ".a.b", auth.Malformed},
		{"too long", token + strings.Repeat("a", 20000), auth.Malformed},
		{"alg none", none, auth.BadSignature},
		{"alg None", b64([]byte(`{"alg":"None"}`)) + "." + parts[1] + ".", auth.BadSignature},
		{"signature cut off", parts[0] + "." + parts[1] + ".", auth.BadSignature},
		{"payload replaced", parts[0] + "." + b64([]byte(other)) + "." + parts[2], auth.BadSignature},
		{"public key as HMAC secret", sign(t, jose.HS256, der, "one", good), auth.BadSignature},
		{"stranger's key under our id", sign(t, jose.RS256, issuerKeys()["stranger"], "one", good), auth.BadSignature},
		{"unknown key", sign(t, jose.RS256, issuerKeys()["stranger"], "stranger", good), auth.BadSignature},
		{"no key id", sign(t, jose.RS256, issuerKeys()["one"], "", good), auth.BadSignature},
		{"key of another algorithm", sign(t, jose.PS256, issuerKeys()["one"], "one", good), auth.BadSignature},
		{"its own key in the header", embeddedKey(t, good), auth.BadSignature},
		{"expired", signed(t, good.with("exp", now.Add(-2*time.Minute).Unix())), auth.Expired},
		{"no exp", signed(t, good.with("exp", nil)), auth.Malformed},
		{"exp as text", signed(t, good.with("exp", "tomorrow")), auth.Malformed},
		{"exp without end", signed(t, good.with("exp", 1e300)), auth.Malformed},
		{"not yet", signed(t, good.with("nbf", now.Add(2*time.Minute).Unix())), auth.NotYetValid},
		{"no nbf", signed(t, good.with("nbf", nil)), auth.Malformed},
		{"wrong audience", signed(t, good.with("aud", "https://other.example")), auth.WrongAudience},
		{"audience with more behind", signed(t, good.with("aud", home+".evil.example")), auth.WrongAudience},
		{"no audience", signed(t, good.with("aud", nil)), auth.WrongAudience},
		{"wrong issuer", signed(t, good.with("iss", "https://evil.example/"+tenant+"/v2.0")), auth.WrongIssuer},
		{"issuer of another tenant", signed(t, good.with("tid", "22222222-2222-4222-8222-222222222222")), auth.WrongIssuer},
		{"tenant that is a path", signed(t, good.with("tid", "../x").with("iss", home+"/../x/v2.0")), auth.WrongIssuer},
		{"no issuer", signed(t, good.with("iss", nil)), auth.WrongIssuer},
		{"nobody", signed(t, good.with("oid", nil).with("sub", nil)), auth.Malformed},
		{"claims that are a list", sign2(t, `[]`), auth.Malformed},
		{"claims of another type", signed(t, good.with("iss", []int{1})), auth.Malformed},
	} {
		for _, round := range []string{"first", "second"} { // the second may meet what is remembered
			_, err := v.Token(t.Context(), c.token)
			if e, ok := errors.AsType[*auth.Error](err); !ok || e.Reason != c.reason {
				t.Errorf("%s (%s time): %v, want reason %d", c.name, round, err, c.reason)
			}
		}
	}
	if _, err := v.Token(t.Context(), token); err != nil {
		t.Errorf("the good token: %v", err)
	}
}

// embeddedKey carries a stranger's key in its header, as RFC 7515 §4.1.3 lets it.
func embeddedKey(t *testing.T, c claimSet) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: issuerKeys()["stranger"]},
		&jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func sign2(t *testing.T, payload string) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: issuerKeys()["one"]},
		(&jose.SignerOptions{}).WithHeader("kid", "one"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestClockSkewIsBounded(t *testing.T) {
	now := time.Now()
	var offset atomic.Int64
	v := verifier(t, embedded(func() time.Time { return now.Add(time.Duration(offset.Load())) }))
	token := signed(t, person(now))
	for _, c := range []struct {
		at   time.Duration
		want auth.Reason
	}{
		{-61 * time.Second, auth.NotYetValid}, {-58 * time.Second, 0}, {0, 0}, {time.Hour + 58*time.Second, 0},
		{time.Hour + 62*time.Second, auth.Expired}, {24 * time.Hour, auth.Expired},
	} {
		offset.Store(int64(c.at))
		_, err := v.Token(t.Context(), token)
		e, _ := errors.AsType[*auth.Error](err)
		if e == nil && c.want != 0 || e != nil && e.Reason != c.want {
			t.Errorf("at %s: %v, want reason %d", c.at, err, c.want)
		}
	}
	if _, err := auth.New(auth.Options{Skew: time.Hour}); err == nil {
		t.Error("a skew of an hour is accepted")
	}
}

func TestRequests(t *testing.T) {
	v := verifier(t, embedded(time.Now))
	token := signed(t, person(time.Now()))
	for _, c := range []struct {
		headers []string
		reason  auth.Reason
	}{
		{nil, auth.Missing}, {[]string{""}, auth.Missing}, {[]string{"Bearer"}, auth.Missing}, {[]string{"Bearer  "}, auth.Missing},
		{[]string{"Basic abc"}, auth.Missing}, {[]string{"Bearer a", "Bearer b"}, auth.Malformed},
		{[]string{"Bearer " + token}, 0}, {[]string{"bearer " + token}, 0},
	} {
		r := httptest.NewRequest(http.MethodGet, "/?access_token="+token, nil)
		for _, h := range c.headers {
			r.Header.Add("Authorization", h)
		}
		_, err := v.Request(r)
		e, _ := errors.AsType[*auth.Error](err)
		if e == nil && c.reason != 0 || e != nil && e.Reason != c.reason {
			t.Errorf("%.30q: %v, want reason %d", c.headers, err, c.reason)
		}
	}
}

func TestChallenges(t *testing.T) {
	five := 5 * time.Minute
	for _, c := range []struct {
		c    auth.Challenge
		want string
	}{
		{(&auth.Error{Reason: auth.Missing}).Challenge(), `Bearer`},
		{(&auth.Error{Reason: auth.Expired}).Challenge(),
			`Bearer error="invalid_token", error_description="Lifetime validation failed, the token is expired."`},
		{auth.Challenge{Realm: "a\"b\r\nX: y", Code: auth.InsufficientScope, Scopes: []string{"A", "B"}},
			`Bearer realm="a'bX: y", error="insufficient_scope", scope="A B"`},
		{auth.StepUp(five, "c1"), `Bearer error="insufficient_user_authentication", error_description="A fresh second factor is required.", ` +
			`acr_values="c1", max_age="300", claims="` +
			base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"acrs":{"essential":true, "value":"c1"}}}`)) + `"`},
	} {
		if got := c.c.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	for _, contexts := range [][]string{nil, {"c1"}, {"c1", "c2"}, {`"`}} {
		if text := auth.Claims(contexts...); !json.Valid([]byte(text)) {
			t.Errorf("claims for %q are no JSON: %s", contexts, text)
		}
	}
	if got := (&auth.Error{Reason: auth.Missing}).Error(); got != "Access token is empty." {
		t.Errorf("message is %q", got)
	}
}

// remote is an OpenID Connect issuer that publishes keys.
type remote struct {
	*httptest.Server
	mu      sync.Mutex
	names   []string
	fetches int
	broken  bool
}

func newRemote(t *testing.T, names ...string) *remote {
	t.Helper()
	r := &remote{names: names}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case r.broken:
			http.Error(w, "broken", http.StatusInternalServerError)
		case q.URL.Path == "/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, r.URL, r.URL+"/keys")
		default:
			r.fetches++
			var set jose.JSONWebKeySet
			for _, n := range r.names {
				set.Keys = append(set.Keys, *public(n))
			}
			if err := json.NewEncoder(w).Encode(set); err != nil {
				t.Error(err)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *remote) publish(names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = names
}

func (r *remote) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetches
}

func (r *remote) setBroken(b bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = b
}

func TestForeignIssuerClaimsAreMapped(t *testing.T) {
	r := newRemote(t, "one")
	v := verifier(t, auth.Options{Issuers: []auth.Issuer{{
		URL: r.URL, Tenant: tenant, Audiences: []string{"portcullis"}, ObjectClaim: "pim_id", MFAMethods: []string{"two"},
	}}})
	now := time.Now()
	keycloak := claimSet{
		"iss": r.URL, "aud": []string{"account", "portcullis"}, "sub": "opaque", "tid": "22222222-2222-4222-8222-222222222222",
		"pim_id": strings.ToUpper(object), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "auth_time": now.Unix(),
		"amr": "two", "scope": "openid User.Read", "azp": "client", "preferred_username": "alice", "jti": "x",
	}
	got, err := v.Token(t.Context(), signed(t, keycloak))
	if err != nil {
		t.Fatal(err)
	}
	if got.Tenant != tenant || got.Object != object || got.Account != "alice" || got.ClientID != "client" ||
		!got.FreshMFA(now, time.Hour) || !got.Permits("User.Read") {
		t.Errorf("token proves %+v", got)
	}
	for name, c := range map[string]claimSet{
		"without the named claim": keycloak.with("pim_id", nil),
		"with a number in it":     keycloak.with("pim_id", 5),
		"without any beginning":   keycloak.with("iat", nil),
	} {
		if _, err := v.Token(t.Context(), signed(t, c)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRemoteKeysRotate(t *testing.T) {
	r := newRemote(t, "one")
	var offset atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	v := verifier(t, auth.Options{
		Issuers:   []auth.Issuer{{URL: r.URL, Tenant: tenant}},
		Audiences: []string{home}, Now: clock,
	})
	c := person(time.Now()).with("iss", r.URL).with("exp", time.Now().Add(48*time.Hour).Unix())
	first := signed(t, c)
	second := sign(t, jose.RS256, issuerKeys()["two"], "two", c)
	accepted := func(token string) bool {
		_, err := v.Token(t.Context(), token)
		if _, refused := errors.AsType[*auth.Error](err); err != nil && !refused {
			t.Fatal(err)
		}
		return err == nil
	}
	for range 3 {
		if !accepted(first) {
			t.Fatal("a good token is refused")
		}
	}
	if got := r.count(); got != 1 {
		t.Errorf("%d fetches for three checks, want 1", got)
	}
	r.publish("one", "two")
	for range 20 {
		accepted(second)
	}
	if got := r.count(); got != 1 {
		t.Errorf("%d fetches: unknown keys make us flood the issuer", got)
	}
	offset.Add(int64(31 * time.Second))
	if !accepted(second) || r.count() != 2 {
		t.Errorf("the new key is not fetched (%d fetches)", r.count())
	}
	r.publish("two")
	offset.Add(int64(61 * time.Minute))
	if accepted(first) {
		t.Error("a token whose key was withdrawn is believed an hour later")
	}
	r.setBroken(true)
	offset.Add(int64(5 * time.Hour))
	if !accepted(second) {
		t.Error("the keys at hand are not believed while the issuer is down")
	}
}

func TestIssuerThatCannotBeReached(t *testing.T) {
	r := newRemote(t, "one")
	r.setBroken(true)
	v := verifier(t, auth.Options{Issuers: []auth.Issuer{{URL: r.URL, Tenant: tenant}}, Audiences: []string{home}})
	_, err := v.Token(t.Context(), signed(t, person(time.Now()).with("iss", r.URL)))
	if !errors.Is(err, auth.ErrKeysUnavailable) {
		t.Errorf("%v, want ErrKeysUnavailable: a fault, not the token's", err)
	}
}

func TestManyAtOnceFetchOnce(t *testing.T) {
	r := newRemote(t, "one")
	v := verifier(t, auth.Options{Issuers: []auth.Issuer{{URL: r.URL, Tenant: tenant}}, Audiences: []string{home}})
	token := signed(t, person(time.Now()).with("iss", r.URL))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := v.Token(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := r.count(); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
}

// TestRememberedTokens: what is remembered is bounded, and a key that is withdrawn takes its tokens with it.
func TestRememberedTokens(t *testing.T) {
	set := keys{"one": public("one")}
	o := embedded(time.Now)
	o.Issuers[0].Keys, o.CacheSize = set, 2
	v := verifier(t, o)
	var tokens []string
	for i := range 5 {
		tokens = append(tokens, signed(t, person(time.Now()).with("uti", fmt.Sprint(i))))
	}
	for range 3 {
		for i, token := range tokens {
			got, err := v.Token(t.Context(), token)
			if err != nil || got.ID != fmt.Sprint(i) {
				t.Errorf("token %d: %v %v", i, got.ID, err)
			}
		}
	}
	delete(set, "one")
	if _, err := v.Token(t.Context(), tokens[4]); err == nil {
		t.Error("a remembered token outlives its key")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, i := range map[string]auth.Issuer{
		"no address":              {Tenant: tenant},
		"no tenant":               {URL: "https://a.example"},
		"two tenants":             {URL: "https://a.example/{tid}", Tenant: tenant, Keys: keys{}},
		"pattern without address": {URL: "https://a.example/{tid}"},
	} {
		if _, err := auth.New(auth.Options{Issuers: []auth.Issuer{i}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	twice := auth.Issuer{URL: "https://a.example", Tenant: pim.TenantID(tenant)}
	if _, err := auth.New(auth.Options{Issuers: []auth.Issuer{twice, twice}}); err == nil {
		t.Error("an issuer twice: accepted")
	}
}

// FuzzToken: no text makes the verifier panic or believe.
func FuzzToken(f *testing.F) {
	token := signed(f, person(time.Now()))
	f.Add(token[:len(token)-4] + "AAAA")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("...")
	v := verifier(f, embedded(time.Now))
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := v.Token(t.Context(), text); err == nil && !strings.HasPrefix(text, token[:len(token)-2]) {
			t.Errorf("believed: %q", text)
		}
	})
}

func BenchmarkToken(b *testing.B) {
	token := signed(b, person(time.Now()))
	for name, size := range map[string]int{"remembered": 0, "anew": -1} {
		b.Run(name, func(b *testing.B) {
			o := embedded(time.Now)
			o.CacheSize = size
			v := verifier(b, o)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Token(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
