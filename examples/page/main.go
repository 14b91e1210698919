// Command page is a small page behind a door of Portcullis: it shows how package httpdoor is used, and goes with ../nginx/nginx.conf.
//
//	GET /      the page
//	GET /live  the page as a stream, a line every second, to whoever may look, as long as they may
//
// Who looks is told by the proxy in front, in the header Remote-User; so it listens on this machine alone.
//
//	page -pim https://localhost:8443 -ca data/ca.pem -tenant ID -client ID -secret-file FILE -role "Reports Reader"
//
// The application that it asks as is one that `pim door add` makes.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"portcullis/door/httpdoor"
)

// settings say where the server is, and what the page is about.
type settings struct {
	listen, pim, ca, tenant, client, secretFile, role string
}

func main() {
	var s settings
	flag.StringVar(&s.listen, "listen", "127.0.0.1:8081", "address to listen at, on this machine")
	flag.StringVar(&s.pim, "pim", "https://localhost:8443", "origin of the Portcullis server")
	flag.StringVar(&s.ca, "ca", "data/ca.pem", "certificate of the authority that the server's own is signed by")
	flag.StringVar(&s.tenant, "tenant", "", "id of the tenant")
	flag.StringVar(&s.client, "client", "", "client id of the application that the page asks as")
	flag.StringVar(&s.secretFile, "secret-file", "", "file with the secret of the application")
	flag.StringVar(&s.role, "role", "Reports Reader", "directory role that opens the page, by name or id")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

// run serves until the context ends.
func run(ctx context.Context, s settings) error {
	secret, err := os.ReadFile(s.secretFile)
	if err != nil {
		return err
	}
	door, err := open(s, strings.TrimSpace(string(secret)))
	if err != nil {
		return err
	}
	defer door.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return err
	}
	// No WriteTimeout: whoever may look at a stream looks as long as they may.
	web := &http.Server{Handler: door.Handler(page()), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		door.Close() // what is held is cut, and then nothing keeps the server from stopping
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = web.Shutdown(drain)
	})
	defer stop()
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-drained // Serve returns as soon as the server begins to stop
	return nil
}

// open makes the page's door.
func open(s settings, secret string) (*httpdoor.Door, error) {
	authority, err := os.ReadFile(s.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s holds no certificate", s.ca)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	credentials := &httpdoor.ClientCredentials{
		URL: s.pim + "/" + s.tenant + "/oauth2/v2.0/token", ID: s.client, Secret: secret, Scope: s.pim + "/.default", Client: client,
	}
	return httpdoor.New(httpdoor.Options{
		URL: s.pim, Token: credentials.Token, Client: client, Watch: true, Log: slog.Default(),
		Question: func(r *http.Request) (httpdoor.Question, error) {
			who := r.Header.Get("Remote-User")
			if who == "" {
				return httpdoor.Question{}, httpdoor.ErrNobody
			}
			return httpdoor.Question{
				Subject: httpdoor.Subject{Type: "user", ID: who}, Action: s.role, ResourceType: "directory", Resource: "/",
			}, nil
		},
	})
}

// page knows nothing of doors, but that it may tell how long one is open.
func page() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, "The reports.\n")
		if d, ok := httpdoor.DecisionOf(r.Context()); ok && !d.Until.IsZero() {
			_, _ = fmt.Fprintln(w, "You may read them until", d.Until.Format(time.RFC3339))
		}
	})
	mux.HandleFunc("GET /live", live)
	return mux
}

// live sends a line every second, until the door closes or the reader goes away.
func live(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintln(w, "report", n); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
