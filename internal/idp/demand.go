package idp

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxClaims = 4 << 10
	// methodMFA is the value of amr for several factors (RFC 8176).
	methodMFA      = "mfa"
	methodPassword = "pwd"
	// entraMFA is how Entra's clients ask for several factors in acr_values.
	entraMFA = "http://schemas.microsoft.com/claims/multipleauthn"
)

// contextID is the shape of an authentication context's id (reference graph-pim §11.2).
var contextID = regexp.MustCompile(`^c([1-9]|1[0-9]|2[0-5])$`)

// demand is how strongly and freshly a client wants a person to prove who they are.
type demand struct {
	// MFA asks for a second factor; contexts do so too.
	MFA bool `json:",omitempty"`
	// Contexts are the authentication contexts that the token shall show.
	Contexts []string `json:",omitempty"`
	// MaxAge is how long before the request the proof may have been; nil: any time.
	MaxAge *time.Duration `json:",omitempty"`
}

var errClaims = errors.New("the claims parameter is not a JSON object of claims requests")

// readDemand reads claims (OpenID Connect Core §5.5), acr_values, max_age and prompt. Claims and values that are not
// known are passed over.
func readDemand(form url.Values) (demand, error) {
	var d demand
	for _, v := range strings.Fields(form.Get("acr_values")) {
		d.want(v)
	}
	if age := form.Get("max_age"); age != "" {
		n, err := strconv.ParseUint(age, 10, 31)
		if err != nil {
			return d, errors.New("max_age is not a number of seconds")
		}
		limit := time.Duration(n) * time.Second
		d.MaxAge = &limit
	}
	for _, v := range strings.Fields(form.Get("prompt")) {
		if v == "login" || v == "select_account" {
			d.MaxAge = new(time.Duration)
		}
	}
	return d, d.readClaims(form.Get("claims"))
}

// want takes one value of acr_values, acrs or amr.
func (d *demand) want(value string) {
	switch {
	case value == methodMFA, value == "ngcmfa", value == entraMFA:
		d.MFA = true
	case contextID.MatchString(value):
		d.MFA = true
		if !slices.Contains(d.Contexts, value) {
			d.Contexts = append(d.Contexts, value)
		}
	}
}

// readClaims reads a claims request. That for the access token is Entra's extension of the standard's two.
func (d *demand) readClaims(text string) error {
	if text == "" {
		return nil
	}
	if len(text) > maxClaims {
		return errClaims
	}
	var request map[string]map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &request); err != nil {
		return errClaims
	}
	for _, part := range []string{"access_token", "id_token"} {
		for _, name := range []string{"acrs", "acr", "amr"} {
			var one struct {
				Value  string   `json:"value"`
				Values []string `json:"values"`
			}
			// A request of another shape, or null, asks for the claim and demands no value.
			if err := json.Unmarshal(request[part][name], &one); err != nil {
				continue
			}
			for _, v := range append(one.Values, one.Value) {
				d.want(v)
			}
		}
	}
	return nil
}

// proof is what a person has proved.
type proof struct {
	// At is when they last proved who they are.
	At time.Time
	// MFA says that it was with a second factor.
	MFA bool `json:",omitempty"`
	// Contexts are the authentication contexts that were asked for and satisfied.
	Contexts []string `json:",omitempty"`
}

// metBy says whether a proof satisfies a demand that was made at asked. fresh bounds the age of a second factor now.
func (d demand) metBy(p proof, asked, now time.Time, fresh time.Duration) bool {
	return d.identity(p, asked) && (!d.MFA || p.MFA && now.Sub(p.At) <= fresh)
}

// identity says whether the person is known freshly enough, whatever the factors.
func (d demand) identity(p proof, asked time.Time) bool {
	return !p.At.IsZero() && (d.MaxAge == nil || !p.At.Before(asked.Add(-*d.MaxAge)))
}

// methods are the values of amr for a proof.
func (p proof) methods() []string {
	if p.MFA {
		return []string{methodPassword, methodMFA}
	}
	return []string{methodPassword}
}
