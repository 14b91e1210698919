package server

import (
	"context"
	"errors"
	"path/filepath"

	"portcullis/internal/idp"
	"portcullis/internal/store"
	"portcullis/internal/worker"
)

// shared says whether other nodes may be on the same store: a data folder is one process' own.
func (s *Server) shared() bool { return s.settings.Database != "" || s.settings.DatabaseFile != "" }

// leases are where the nodes of a store agree who does what one does for all; nil: there is one node.
func (s *Server) leases() worker.Leases {
	if !s.shared() {
		return nil
	}
	return s.Store
}

// signingKeys are in the data folder, or, where several nodes have to believe each other's tokens, in the store.
func (s *Server) signingKeys(ctx context.Context) (idp.KeyStore, error) {
	folder := idp.FileKeys(filepath.Join(s.settings.Data, "keys"))
	if !s.shared() {
		return folder, nil
	}
	secret, err := s.settings.Secret()
	if err != nil {
		return nil, unable(ExitSettings, "%w", err)
	}
	keys := idp.VaultKeys{Vault: s.Store, Secret: []byte(secret)}
	err = keys.Import(ctx, folder)
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return nil, unable(ExitUnusable, "the signing keys in the store cannot be read: %w", err)
	case err != nil:
		return nil, unable(ExitSettings, "sign-in: %w", err)
	}
	return keys, nil
}
