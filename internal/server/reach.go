package server

import (
	"strings"

	"portcullis/internal/config"
)

// Reach is how callers reach a server.
type Reach struct {
	// URL is its origin. CAFile is the file with the certificate to trust; empty: one that the system trusts.
	URL, CAFile string
}

// ReachOf is how callers reach a server with these settings, for whoever is not that server.
func ReachOf(settings config.Settings) Reach {
	settings = settings.WithDefaults()
	url := settings.PublicURL
	if url == "" {
		url = "https://" + publicHost(settings.Listen[0], settings.Listen[0])
	}
	return Reach{URL: url, CAFile: caFileOf(settings)}
}

// SignIn is the command by which people sign in to a tenant; empty: the oldest.
func (r Reach) SignIn(tenant string) string {
	command := "pim login --server " + r.URL
	if tenant != "" {
		command += " --tenant " + tenant
	}
	if r.CAFile != "" {
		command += " --ca " + quoted(r.CAFile)
	}
	return command
}

// Curl begins a command that calls the server.
func (r Reach) Curl() string {
	if r.CAFile == "" {
		return "curl -sS"
	}
	return "curl -sS --cacert " + quoted(r.CAFile)
}

// quoted is a word for a shell.
func quoted(word string) string {
	special := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("/._-+:@", c)
	}
	if word != "" && strings.IndexFunc(word, special) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
