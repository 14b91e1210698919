package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portcullis/internal/telemetry"
)

func TestARequestIsOneLineWithoutSecrets(t *testing.T) {
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, slog.LevelInfo, true)
	h := telemetry.Requests(log, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/own" {
			w.Header().Set(telemetry.RequestID, "mine")
		}
		if r.URL.Path == "/livez" {
			return
		}
		w.WriteHeader(http.StatusTeapot)
		if _, err := w.Write([]byte("short")); err != nil {
			t.Error(err)
		}
	}), "/livez", "/access/")
	for _, path := range []string{"/livez?code=geheim", "/access/v1/gate?code=geheim", "/a?code=geheim", "/own"} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("password=geheim"))
		r.Header.Set("Authorization", "Bearer geheim")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Header().Get(telemetry.RequestID) == "" {
			t.Errorf("%s: the answer has no request id", path)
		}
	}
	if strings.Contains(out.String(), "geheim") {
		t.Errorf("the log tells a secret: %s", out.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %d lines, want 2: %s", len(lines), out.String())
	}
	var got struct {
		Method, Path, Request string
		Status, Bytes         int
	}
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.Path != "/own" || got.Status != http.StatusTeapot || got.Bytes != 5 || got.Request != "mine" {
		t.Errorf("got line %+v", got)
	}
}
