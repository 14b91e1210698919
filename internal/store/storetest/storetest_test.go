package storetest

import (
	"testing"

	"portcullis/internal/store"
)

// The model is itself held to the suite.
func TestModel(t *testing.T) {
	Run(t, func(*testing.T) store.Store { return &Model{} })
}
