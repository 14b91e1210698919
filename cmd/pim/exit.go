package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"portcullis/internal/client"
)

// The exit codes. Scripts depend on them: they may only be added to.
const (
	exitRefused     = 1
	exitUsage       = 2
	exitSignedOut   = 3
	exitUnreachable = 4
	exitTimeout     = 5
	exitDoor        = 6
	exitDiffers     = 7
	exitInterrupted = 130
)

// exitCodes tells what the exit codes mean, for the help.
const exitCodes = `Exit codes of the commands that people and scripts use a server by:
  0    done
  1    refused by the rules of PIM, denied, or not there
  2    wrong usage
  3    not signed in, or the sign-in did not succeed
  4    the server cannot be reached or cannot answer now
  5    waiting took too long; what was asked for goes on
  6    done, but a door outside has not followed
  7    done, but a migration is not whole: something was refused, differs, is lost or points nowhere
  130  interrupted`

// failure is an error with its exit code and what to do next.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string {
	return strings.TrimSuffix(sentence(f.err.Error())+"\n"+f.hint, "\n")
}

func (f *failure) Unwrap() error { return f.err }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return &failure{code: exitUsage, err: err}
}

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

func refused(hint, format string, args ...any) error {
	return &failure{code: exitRefused, err: fmt.Errorf(format, args...), hint: hint}
}

// sentence is a text with a capital and a full stop.
func sentence(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if strings.ContainsAny(s[len(s)-1:], ".!?") {
		return s
	}
	return s + "."
}

// explained gives an error of a client command its exit code and what to do next.
func (o *connection) explained(err error) error {
	if _, ok := errors.AsType[*failure](err); ok || err == nil {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return &failure{code: exitInterrupted, err: errors.New("interrupted")}
	}
	if errors.Is(err, client.ErrSignedOut) {
		return o.signIn(err, o.server)
	}
	if errors.Is(err, client.ErrDenied) || errors.Is(err, client.ErrExpired) {
		return &failure{code: exitSignedOut, err: err, hint: "Start again with: pim login"}
	}
	if u, ok := errors.AsType[*client.Unreachable](err); ok {
		return unreachable(u)
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		return o.refusal(e)
	}
	return &failure{code: exitRefused, err: err}
}

func unreachable(u *client.Unreachable) error {
	hint := "Is it running, and is the address right? Name another with --server."
	if _, ok := errors.AsType[x509.UnknownAuthorityError](u.Err); ok {
		hint = "Its certificate comes from an authority that this machine does not know. Name the authority's file with --ca FILE; a server with a local authority prints it when it starts."
	} else if _, ok := errors.AsType[x509.HostnameError](u.Err); ok {
		hint = "Its certificate is for another name. Use the address that the server prints when it starts."
	}
	return &failure{code: exitUnreachable, err: u, hint: hint}
}

// refusal says what the server refused and what can be done about it.
func (o *connection) refusal(e *client.Error) error {
	f := &failure{code: exitRefused, err: e}
	switch {
	case e.Status == http.StatusUnauthorized:
		return o.signIn(e, o.server)
	case e.Temporary():
		f.code, f.hint = exitUnreachable, "Try again in a moment."
		if e.RequestID != "" {
			f.hint += " The server knows this call as " + e.RequestID + "."
		}
	case e.Code == "invalid_client" || e.Code == "unauthorized_client":
		f.code, f.hint = exitSignedOut, "Name the application to sign in with by --client-id."
	case e.Code == "invalid_tenant":
		f.code, f.hint = exitSignedOut, "Name it by its id or domain with --tenant, or leave the flag out."
	case e.Code == "PermissionScopeNotGranted":
		f.hint = "The application that you signed in with may not do this. Sign in with another by pim login --client-id."
	case e.Status == http.StatusForbidden:
		f.hint = "This needs an active role that you do not hold now. See what you can activate with: pim roles"
	case e.StepUp != nil:
		f.hint = "Sign in with more proof: pim login --mfa, or repeat this with --step-up."
	default:
		f.hint = nextStep(e)
	}
	return f
}

// nextStep is what can be done about a refusal of the rules.
func nextStep(e *client.Error) string {
	switch e.Code {
	case "RoleAssignmentExists":
		return "See what is active with: pim status"
	case "PendingRoleAssignmentRequest":
		return "See what waits with: pim requests; withdraw it with: pim cancel REQUEST"
	case "RoleAssignmentDoesNotExist":
		return "See what is active with: pim status"
	case "ActiveDurationTooShort":
		return "Something active stays so for at least five minutes."
	}
	var hints []string
	for rule, hint := range map[string]string{
		"JustificationRule": "Give a reason with --reason.",
		"TicketingRule":     "Give a ticket with --ticket.",
		"ExpirationRule":    "Ask for less time with --for.",
		"EligibilityRule":   "See what you can activate with: pim roles",
	} {
		if strings.Contains(e.Message, rule) {
			hints = append(hints, hint)
		}
	}
	return strings.Join(sorted(hints), " ")
}

// exitCode is the exit code of an error of any command.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	return exitRefused
}
