package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// Bearer calls a server, which need not be a Portcullis, with tokens that somebody else gets and writes into a file. It is safe for
// concurrent use.
type Bearer struct {
	client *Client
	file   string

	mu    sync.Mutex
	token string
}

// NewBearer makes a caller. The file holds the token alone, or the JSON object in which the programs that get tokens print it. It is
// read again when the server no longer takes the token: so a long run goes on where the file is renewed. The error says what is
// wrong with the options or the file.
func NewBearer(o Options, file string) (*Bearer, error) {
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	b := &Bearer{client: c, file: file}
	b.token, err = readToken(file)
	return b, err
}

// Origin is scheme and host of the server.
func (b *Bearer) Origin() string { return b.client.Server }

// Call does what Client.Call does.
func (b *Bearer) Call(ctx context.Context, method, path string, in, out any) error {
	return b.client.exchange(ctx, method, path, in, out, b.tokenAfter, patiently)
}

func (b *Bearer) tokenAfter(_ context.Context, refused string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if refused == "" || refused != b.token {
		return b.token, nil
	}
	token, err := readToken(b.file)
	if err != nil {
		return "", err
	}
	if token == refused {
		return "", fmt.Errorf("%s does not take the token in %s, which may have ended: write a new one there: %w", b.client.Server, b.file, ErrSignedOut)
	}
	b.token = token
	return token, nil
}

// maxToken is the longest file of a token in bytes.
const maxToken = 64 << 10

// readToken reads a file. What is in it appears in no error.
func readToken(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if len(text) > maxToken {
		return "", fmt.Errorf("read the token: %s is longer than %d bytes", file, maxToken)
	}
	var printed struct {
		CLI   string `json:"accessToken"`
		OAuth string `json:"access_token"`
	}
	token := strings.TrimSpace(string(text))
	if json.Unmarshal(text, &printed) == nil {
		token = printed.CLI
		if token == "" {
			token = printed.OAuth
		}
	}
	token = strings.TrimSpace(strings.TrimPrefix(token, "Bearer "))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("read the token: " + file + " holds no token, nor the JSON object with one")
	}
	return token, nil
}
