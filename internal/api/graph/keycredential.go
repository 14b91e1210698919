package graph

import (
	"crypto/sha1" // names certificates, as the service does: nothing rests on it
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"time"

	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/directory"
)

// The certificates of an application: keyCredential (learn.microsoft.com/graph/api/resources/keycredential). The list is
// told to who selects it alone, and written whole: what is known by its keyId need not bring its key again.

func keyCredentialsProperty() odata.Property {
	return odata.Property{Name: "keyCredentials", Kind: odata.KindCollection, Element: odata.KindString}
}

type keyCredentialIn struct {
	KeyID       string           `json:"keyId"`
	DisplayName patched[string]  `json:"displayName"`
	Key         patched[string]  `json:"key"`
	Type        string           `json:"type"`
	Usage       string           `json:"usage"`
	Starts      patched[keyTime] `json:"startDateTime"`
	Ends        patched[keyTime] `json:"endDateTime"`
}

// keyTime is a point in time as a body writes it; zero: none.
type keyTime struct{ time.Time }

// UnmarshalJSON takes RFC 3339, and null or an empty text for none.
func (i *keyTime) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "" || text == "null" {
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return wire.BadBody("A date is not one of RFC 3339.")
	}
	i.Time = t.UTC().Truncate(time.Microsecond)
	return nil
}

func (in applicationIn) applyKeys(p *directory.App) error {
	if in.KeyCredentials == nil {
		return nil
	}
	had := map[string]directory.AppKey{}
	for _, k := range p.Keys {
		had[k.ID] = k
	}
	p.Keys = nil
	for _, given := range *in.KeyCredentials {
		k, err := given.onto(had[strings.ToLower(given.KeyID)])
		if err != nil {
			return err
		}
		p.Keys = append(p.Keys, k)
	}
	return nil
}

// onto is a certificate as the body changes it; the zero value: as it makes one.
func (in keyCredentialIn) onto(k directory.AppKey) (directory.AppKey, error) {
	switch {
	case in.Type != "" && !strings.EqualFold(in.Type, "AsymmetricX509Cert"):
		return k, badRequest("The type of a keyCredential must be AsymmetricX509Cert.")
	case in.Usage != "" && !strings.EqualFold(in.Usage, "Verify"):
		return k, badRequest("The usage of a keyCredential must be Verify.")
	case in.KeyID != "" && !wire.IsGUID(in.KeyID):
		return k, badRequest("The keyId of a keyCredential must be a GUID.")
	}
	k.ID = strings.ToLower(in.KeyID)
	in.DisplayName.to(&k.Name)
	if in.Starts.sent {
		k.Starts = in.Starts.value.Time
	}
	if in.Ends.sent {
		k.Ends = in.Ends.value.Time
	}
	if in.Key.value == "" {
		return k, nil
	}
	der, err := base64.StdEncoding.DecodeString(in.Key.value)
	if err != nil {
		return k, badRequest("The key of a keyCredential must be a certificate in base64.")
	}
	// Some send the file as it is.
	if block, _ := pem.Decode(der); block != nil {
		der = block.Bytes
	}
	k.Certificate = der
	return k, nil
}

type keyCredentialOut struct {
	Fingerprint string    `json:"customKeyIdentifier"`
	DisplayName string    `json:"displayName"`
	Ends        time.Time `json:"endDateTime"`
	Key         []byte    `json:"key"`
	KeyID       string    `json:"keyId"`
	Starts      time.Time `json:"startDateTime"`
	Type        string    `json:"type"`
	Usage       string    `json:"usage"`
}

func writeKeyCredentials(o *object, p *directory.App) {
	const name = "keyCredentials"
	if !o.Sel[name] {
		return
	}
	out := []keyCredentialOut{}
	for _, k := range p.Keys {
		sum := sha1.Sum(k.Certificate)
		row := keyCredentialOut{
			Fingerprint: strings.ToUpper(hex.EncodeToString(sum[:])), DisplayName: k.Name, Key: k.Certificate, KeyID: k.ID,
			Starts: k.Starts, Ends: k.Ends, Type: "AsymmetricX509Cert", Usage: "Verify",
		}
		if c, err := k.Parse(); err == nil { // only what can be read is kept
			if row.Starts.Before(c.NotBefore) {
				row.Starts = c.NotBefore.UTC()
			}
			if row.Ends.IsZero() || row.Ends.After(c.NotAfter) {
				row.Ends = c.NotAfter.UTC()
			}
		}
		out = append(out, row)
	}
	o.Raw(name, wire.MustJSON(out))
}
