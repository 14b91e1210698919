package idp_test

import (
	"log/slog"
	"os"
	"testing"

	"portcullis/internal/idp"
)

// TestMain keeps the library's own log out of what tests print, as the program does.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(idp.WithoutLibrary(slog.NewTextHandler(os.Stderr, nil))))
	os.Exit(m.Run())
}
