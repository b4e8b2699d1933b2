// Command proxy is what a careful author writes in Go for the same duty: look the path up, bound the body, check the
// HMAC over it, then answer by itself (net/http) or hand the call on (httputil.ReverseProxy).
package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const maxBody = 2 << 20

type pool struct{ sync.Pool }

func (p *pool) Get() []byte  { return p.Pool.Get().([]byte) }
func (p *pool) Put(b []byte) { p.Pool.Put(b) } //nolint:staticcheck // the interface takes slices

type gate struct {
	paths  map[string][]byte // path to key
	accept http.Handler
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	target := flag.String("target", "", "URL; empty: answer here")
	pathsFile := flag.String("paths", "", "file of the paths that are served, one a line")
	secret := flag.String("secret", "", "key of the signature")
	certificate := flag.String("certificate", "", "file; empty: no TLS")
	key := flag.String("key", "", "file of the certificate's key")
	flag.Parse()
	g := &gate{paths: read(*pathsFile, []byte(*secret)), accept: http.HandlerFunc(taken)}
	if *target != "" {
		g.accept = forward(*target)
	}
	server := &http.Server{
		Addr: *listen, Handler: g, ErrorLog: log.New(io.Discard, "", 0),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 75 * time.Second,
		MaxHeaderBytes: 32 << 10,
	}
	if *certificate != "" {
		log.Fatal(server.ListenAndServeTLS(*certificate, *key))
	}
	log.Fatal(server.ListenAndServe())
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, known := g.paths[r.URL.Path]
	if !known {
		refuse(w, http.StatusNotFound, "not found")
		return
	}
	if r.Method != http.MethodPost {
		refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	if r.ContentLength > maxBody {
		refuse(w, http.StatusRequestEntityTooLarge, "content too large")
		return
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, maxBody), r.ContentLength)
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad request")
		return
	}
	given := r.Header["X-Hub-Signature-256"]
	if len(given) != 1 || !strings.HasPrefix(given[0], "sha256=") {
		refuse(w, http.StatusUnauthorized, "unauthorized")
		return
	}
	want, err := hex.DecodeString(given[0][len("sha256="):])
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	if err != nil || !hmac.Equal(want, mac.Sum(nil)) {
		refuse(w, http.StatusUnauthorized, "unauthorized")
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	g.accept.ServeHTTP(w, r)
}

func readAll(r io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(r)
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return body, err
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.Header()["X-Content-Type-Options"] = []string{"nosniff"}
	w.WriteHeader(status)
	fmt.Fprintf(w, "{\"error\":%q}\n", text)
}

func taken(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }

// forward is a ReverseProxy as one tunes it: connections are kept for every caller at once, buffers are reused.
func forward(target string) http.Handler {
	to, err := url.Parse(target)
	if err != nil {
		log.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 2048, 2048
	transport.DisableCompression, transport.ForceAttemptHTTP2 = true, false
	transport.Proxy = nil
	transport.ResponseHeaderTimeout = 10 * time.Second
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.Path, r.Out.Host = to.Scheme, to.Host, to.Path, to.Host
		},
		Transport:  transport,
		BufferPool: &pool{sync.Pool{New: func() any { return make([]byte, 32<<10) }}},
		ErrorLog:   log.New(io.Discard, "", 0),
	}
}

func read(file string, key []byte) map[string][]byte {
	opened, err := os.Open(file)
	if err != nil {
		log.Fatal(err)
	}
	defer opened.Close()
	paths := map[string][]byte{}
	for lines := bufio.NewScanner(opened); lines.Scan(); {
		paths[lines.Text()] = key
	}
	return paths
}
