package server

import (
	"net/http"
	"strings"

	"portcullis/internal/api/wire"
)

// linked are the addresses that mails link to. A node without pages tells there by which command what is linked is seen and
// decided; who asks is not signed in, so nothing of it is told.
func linked() map[string]string {
	return map[string]string{
		"GET /requests/{id}":  "To see this request:\n\n    pim status %\n",
		"GET /approvals/{id}": "To see this request and decide on it:\n\n    pim status %\n    pim approve % --reason \"…\"\n    pim deny % --reason \"…\"\n",
		"GET /grants/{id}":    "To see what you hold and may activate:\n\n    pim roles\n    pim status\n",
	}
}

// serveLinked answers with commands about what the address names.
func (s *Server) serveLinked(commands string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if !wire.IsGUID(id) {
			plain(w, http.StatusNotFound, "There is nothing here.")
			return
		}
		plain(w, http.StatusOK, strings.ReplaceAll(commands, "%", id)+
			"\nSign in first, if you have not:\n\n    pim login --server "+s.url)
	}
}
