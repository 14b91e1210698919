package auth

import "net/http"

// Reason says why a token was refused. The zero value is no reason.
type Reason int

// The reasons.
const (
	_ Reason = iota
	// Missing: the request carries no bearer token.
	Missing
	// Malformed: it is no signed JWT with the claims that are needed.
	Malformed
	Expired
	NotYetValid
	WrongAudience
	WrongIssuer
	// BadSignature: altered, unsigned, or signed with a key or algorithm that is not the issuer's.
	BadSignature
	// NoAccount: the account that the token names is not there, or is disabled.
	NoAccount
)

// Error says that a request does not prove who calls. Answer 401 with its message and challenge.
type Error struct{ Reason Reason }

// Error is the message that the dialects show (reference graph-pim §8, InvalidAuthenticationToken).
func (e *Error) Error() string {
	switch e.Reason {
	case Missing:
		return "Access token is empty."
	case Malformed:
		return "The access token is not well formed."
	case Expired:
		return "Lifetime validation failed, the token is expired."
	case NotYetValid:
		return "Lifetime validation failed, the token is not yet valid."
	case WrongAudience:
		return "Access token validation failure. Invalid audience."
	case WrongIssuer:
		return "Access token validation failure. Invalid issuer."
	case BadSignature:
		return "Access token validation failure. Invalid signature."
	case NoAccount:
		return "The account of the access token does not exist or is disabled."
	}
	return "The access token was refused."
}

// Status is the HTTP status to answer.
func (e *Error) Status() int { return http.StatusUnauthorized }

// Challenge is the WWW-Authenticate challenge to answer with: one without a token gets no error code (RFC 6750 §3.1).
func (e *Error) Challenge() Challenge {
	if e.Reason == Missing {
		return Challenge{}
	}
	return Challenge{Code: InvalidToken, Description: e.Error()}
}
