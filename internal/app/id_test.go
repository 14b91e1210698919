package app_test

import (
	"regexp"
	"testing"

	"portcullis/internal/app"
)

func TestIDsSortByTime(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	last := ""
	for range 20_000 {
		id := app.NewID()
		if !form.MatchString(id) {
			t.Fatalf("%s is no UUID of version 7", id)
		}
		if id <= last {
			t.Fatalf("%s was made after %s and sorts before it", id, last)
		}
		last = id
	}
}
