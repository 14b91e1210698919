package sample

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// ManifestFile is the manifest's name in the data folder.
const ManifestFile = "sample.json"

// Manifest tells programs where the sample is and how to sign in. Its members may only be added to.
type Manifest struct {
	TenantID string `json:"tenantId"`
	Domain   string `json:"domain"`
	// URL is the one origin of sign-in, the APIs and the metadata document.
	URL    string `json:"url"`
	Issuer string `json:"issuer"`
	// CAFile is the certificate of the authority that the server's own is signed by, as PEM.
	CAFile              string            `json:"caFile"`
	Client              Client            `json:"client"`
	People              map[string]Person `json:"people"`
	Groups              map[string]Named  `json:"groups"`
	AdministrativeUnits map[string]Named  `json:"administrativeUnits"`
	Subscriptions       map[string]Named  `json:"subscriptions"`
	// Neighbour is the other tenant of the server.
	Neighbour *Manifest `json:"neighbour,omitempty"`
}

// Client is the application that programs sign in with.
type Client struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	// ObjectID is its service principal.
	ObjectID string `json:"objectId"`
}

// Person is somebody who can sign in.
type Person struct {
	ID                string `json:"id"`
	UserPrincipalName string `json:"userPrincipalName"`
	DisplayName       string `json:"displayName"`
	Password          string `json:"password"`
	// TOTPSecret is base32, for codes of six digits every thirty seconds (RFC 6238).
	TOTPSecret string `json:"totpSecret"`
}

// Named is a group, an administrative unit or a subscription.
type Named struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
}

// NewManifest tells of an organisation behind an address.
func NewManifest(o Organisation, s Secrets, url, caFile string) Manifest {
	m := Manifest{
		TenantID: string(o.Tenant.ID), Domain: o.Tenant.Domain, URL: url,
		Issuer: url + "/" + string(o.Tenant.ID) + "/v2.0", CAFile: caFile,
		Client: Client{ID: o.ClientID, Secret: s.Client, ObjectID: string(o.Client)},
		People: map[string]Person{}, Groups: map[string]Named{}, AdministrativeUnits: map[string]Named{}, Subscriptions: map[string]Named{},
	}
	titles := map[pim.Scope]string{}
	for _, n := range o.Tree {
		titles[n.Scope] = n.Title()
	}
	for key, id := range o.Subscriptions {
		m.Subscriptions[key] = Named{id, titles[resource.SubscriptionScope(id)]}
	}
	byID := map[pim.PrincipalID]directory.Object{}
	for _, x := range o.Objects {
		byID[x.ID] = x
	}
	for key, id := range o.People {
		m.People[key] = Person{
			ID: string(id), UserPrincipalName: byID[id].User.PrincipalName, DisplayName: byID[id].DisplayName,
			Password: s.Passwords[key], TOTPSecret: s.TOTP[key],
		}
	}
	for key, id := range o.Groups {
		m.Groups[key] = Named{string(id), byID[id].DisplayName}
	}
	for key, id := range o.Units {
		m.AdministrativeUnits[key] = Named{string(id), byID[id].DisplayName}
	}
	return m
}

// Write puts the manifest into a folder, for its owner alone, in one step: whoever sees the file sees all of it.
func (m Manifest) Write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	file, err := os.CreateTemp(dir, ManifestFile+".*") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(append(text, '\n')); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(dir, ManifestFile))
}

// ReadManifest reads the manifest of a folder. The error wraps os.ErrNotExist where there is none.
func ReadManifest(dir string) (Manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil {
		return Manifest{}, err
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", filepath.Join(dir, ManifestFile), err)
	}
	return m, nil
}

// Secrets are those that the manifest tells of.
func (m Manifest) Secrets() Secrets {
	s := Secrets{Passwords: map[string]string{}, TOTP: map[string]string{}, Client: m.Client.Secret}
	for key, p := range m.People {
		s.Passwords[key], s.TOTP[key] = p.Password, p.TOTPSecret
	}
	return s
}
