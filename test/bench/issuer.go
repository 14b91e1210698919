package main

import (
	"context"
	"path/filepath"

	"portcullis/internal/config"
	providers "portcullis/test/issuer"
)

// issuer signs the access tokens of the bench's people and of its application.
type issuer struct {
	*providers.Issuer
	// certificate is the file that whoever fetches the keys has to trust.
	certificate string
}

func newIssuer(dir string) (*issuer, error) {
	i := &issuer{certificate: filepath.Join(dir, "issuer.pem")}
	var err error
	i.Issuer, err = providers.New(context.Background(), tenant, i.certificate)
	return i, err
}

func (i *issuer) close() { _ = i.Close() }

// settings make a server believe the issuer.
func (i *issuer) settings() config.Issuer { return i.Settings() }

// token is an access token of a person who has just proved a second factor.
func (i *issuer) token(p person, scopes string) (string, error) {
	return i.Token(providers.Person{ID: p.id, Name: p.name, Account: p.account}, scopes)
}

// The object id and client id of the application of the tenant.
const (
	applicationID     = "ab000000-0000-4000-8000-000000000001"
	applicationClient = "ab000000-0000-4000-8000-000000000002"
)

// application is an access token of an application that speaks for itself, a door.
func (i *issuer) application(roles ...string) (string, error) {
	return i.Application(applicationID, applicationClient, "Door", roles...)
}
