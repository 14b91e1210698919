package server

import "portcullis/internal/api"

// Surfaces are the dialects that a server serves.
func (s *Server) Surfaces() []api.Surface { return s.surfaces }
