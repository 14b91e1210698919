package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portcullis/internal/config"
	"portcullis/internal/idp"
	"portcullis/internal/localpg"
	"portcullis/internal/localpg/localpgtest"
	"portcullis/internal/server"
)

// site is what several nodes have in common.
type site struct {
	database string
	secret   string // the file
}

func newSite(t *testing.T) site {
	t.Helper()
	pg := localpgtest.Private(t, localpg.Options{})
	if err := pg.CreateDatabase(t.Context(), "portcullis"); err != nil {
		t.Fatal(err)
	}
	return site{pg.URL("portcullis"), secretFile(t, "a secret that all nodes of this site have")}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// publicName is what clients know all nodes by.
const publicName = "pim.example.org"

// settings are those of a node in a data folder of its own, at an address that is free.
func (s site) settings(t *testing.T) config.Settings {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return config.Settings{
		Data: filepath.Join(t.TempDir(), "data"), Listen: []string{l.Addr().String()}, PublicURL: "https://" + publicName, Database: s.database,
		SecretFile: s.secret,
	}
}

// reach has a client find the public name at addresses, each time at the next, as a load balancer does it.
func reach(t *testing.T, c *http.Client, nodes ...config.Settings) {
	t.Helper()
	roots := x509.NewCertPool()
	for _, n := range nodes {
		text, err := os.ReadFile(filepath.Join(n.Data, "ca.pem"))
		if err != nil || !roots.AppendCertsFromPEM(text) {
			t.Fatalf("no certificate of %s: %v", n.Data, err)
		}
	}
	var turn atomic.Uint32
	c.Transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, nodes[int(turn.Add(1))%len(nodes)].Listen[0])
		},
	}
}

// Two nodes behind one name, and every request reaches the other one than the last: a sign-in that one begins the other goes on with,
// each believes what the other signed, and the keys that were in one's folder are in the store, sealed.
func TestTwoNodesAreOne(t *testing.T) {
	s := newSite(t)
	first, second := s.settings(t), s.settings(t)
	folder := idp.FileKeys(filepath.Join(first.Data, "keys"))
	had, err := idp.NewSigningKey(time.Now().Add(-time.Hour))
	if err == nil {
		err = folder.Add(t.Context(), had)
	}
	if err != nil {
		t.Fatal(err)
	}
	one := start(t, server.Options{Settings: first})
	two := start(t, server.Options{Settings: second})
	if told := two.notices.String(); told != "" {
		t.Errorf("the second node told of a first start: %s", told)
	}
	if left, err := folder.Keys(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("in the folder: got %d keys left, %v, want none", len(left), err)
	}

	reach(t, one.Client, first, second)
	token := theFirstAdministratorSignsIn(t, one)

	apart := [2]*http.Client{{}, {}}
	var published [2]string
	for i, at := range []config.Settings{first, second} {
		reach(t, apart[i], at)
		n := &node{Server: one.Server, Client: apart[i], t: t}
		if status, body := n.as(token, "/v1.0/me"); status != http.StatusOK {
			t.Errorf("node %d on a token: got %d %s", i, status, body)
		}
		_, _, published[i] = n.get("/common/discovery/v2.0/keys")
	}
	if published[0] != published[1] || strings.Count(published[0], `"kid"`) != 1 || !strings.Contains(published[0], had.ID) {
		t.Errorf("keys: got %s\nand %s, want both to publish %s alone", published[0], published[1], had.ID)
	}
}

// A node that cannot open the keys of the others does not start, and says what to do.
func TestNodesNeedTheSameSecret(t *testing.T) {
	s := newSite(t)
	start(t, server.Options{Settings: s.settings(t)}).end()
	for name, c := range map[string]struct{ file, want string }{
		"another": {secretFile(t, "another secret that is long enough, too"), "sealed with another secret than the one in this node's secretFile: give all nodes the same"},
		"none":    {"", "this node has no secret: set secretFile"},
		"short":   {secretFile(t, "short"), "holds 5 bytes, and 32 are the least"},
	} {
		o := server.Options{Settings: s.settings(t)}
		o.Settings.SecretFile = c.file
		got, err := server.Open(t.Context(), o)
		if err == nil {
			t.Errorf("%s: the node started", name)
			if err := got.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		u, ok := errors.AsType[*server.Unable](err)
		if !ok || u.Code != server.ExitSettings || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "long enough") {
			t.Errorf("%s: got %v\nwant code %d and %q", name, err, server.ExitSettings, c.want)
		}
	}
	start(t, server.Options{Settings: s.settings(t)})
}
