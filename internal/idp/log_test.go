package idp_test

import (
	"log/slog"
	"strings"
	"testing"

	"portcullis/internal/idp"
)

func TestLibraryIsQuiet(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	for _, quiet := range []bool{false, true} {
		logs := &syncBuffer{}
		var h slog.Handler = slog.NewTextHandler(logs, nil)
		if quiet {
			h = idp.WithoutLibrary(h)
		}
		slog.SetDefault(slog.New(h))
		w := newWorld(t)
		_, config := w.oauth()
		address, _ := w.authorize(config, "code_challenge_method", "plain")
		w.browser().open(address)
		slog.Info("our own")
		if got := strings.Contains(logs.String(), "state-1"); got == quiet {
			t.Errorf("quiet %v: the application's state is in the log: %v", quiet, got)
		}
		if !strings.Contains(logs.String(), "our own") {
			t.Error("our own words are dropped")
		}
	}
}
