package azpimcli

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
)

// proxy is an HTTP proxy on the loopback address: what is asked for under one of its names it leads to the server, byte by byte, so
// that the program and the server shake hands themselves. Everything else it refuses: no call leaves the machine.
type proxy struct {
	*httptest.Server
	target string
	names  []string

	mu sync.Mutex
	// led are the names that were asked for, refused ones among them.
	led map[string]int
}

// newProxy starts a proxy that lasts as long as the process.
func newProxy(target string, names ...string) *proxy {
	p := &proxy{target: target, names: names, led: map[string]int{}}
	p.Server = httptest.NewServer(p)
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, port, err := net.SplitHostPort(r.Host)
	p.mu.Lock()
	p.led[name]++
	p.mu.Unlock()
	if r.Method != http.MethodConnect || err != nil || port != "443" || !slices.Contains(p.names, name) {
		http.Error(w, "This proxy leads to no other place.", http.StatusForbidden)
		return
	}
	there, err := net.Dial("tcp", p.target)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer here.Close()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return // the program has gone
	}
	// Whichever side ends first ends both.
	done := make(chan struct{}, 2)
	copying := func(to io.Writer, from io.Reader) {
		_, _ = io.Copy(to, from) // it ends by an end or by an error, and either ends the tunnel
		done <- struct{}{}
	}
	go copying(there, buffered)
	go copying(here, there)
	<-done
}

// visits are the names that were asked for since the last call.
func (p *proxy) visits() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.led
	p.led = map[string]int{}
	return seen
}
