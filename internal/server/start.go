package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"portcullis/internal/access"
	"portcullis/internal/api"
	"portcullis/internal/app"
	"portcullis/internal/config"
	"portcullis/internal/directory"
	"portcullis/internal/idp"
	"portcullis/internal/pim"
	"portcullis/internal/sample"
	"portcullis/internal/store"
)

// Administrator is the first administrator of a tenant, as its operator is told of it, once.
type Administrator struct {
	Tenant pim.TenantID
	// Account is the user principal name, Password the one-time password: the first sign-in asks for another.
	Account, Password string
}

// AddTenant makes a tenant with one administrator, outside PIM and audited so. store.ErrConflict: one with that
// domain is there.
func AddTenant(ctx context.Context, a *app.App, t config.Tenant) (Administrator, error) {
	have, err := a.Store.Tenants(ctx)
	if err != nil {
		return Administrator{}, err
	}
	if slices.ContainsFunc(have, func(h directory.Tenant) bool { return strings.EqualFold(h.Domain, t.Domain) }) {
		return Administrator{}, fmt.Errorf("a tenant with the domain %s is there already: %w", t.Domain, store.ErrConflict)
	}
	tenant := directory.Tenant{ID: pim.TenantID(app.NewID()), Name: t.Name, Domain: t.Domain, Created: a.Time()}
	who := directory.Object{
		Tenant: tenant.ID, ID: pim.PrincipalID(app.NewID()), Kind: directory.KindUser, DisplayName: "Administrator",
		Enabled: true, Created: tenant.Created, User: &directory.User{
			PrincipalName: t.Administrator + "@" + t.Domain, MailNickname: t.Administrator, Type: "Member",
		},
	}
	password := idp.NewOneTimePassword()
	hash, err := idp.HashPassword(password)
	if err != nil {
		return Administrator{}, err
	}
	err = a.Found(ctx, app.Founding{
		Tenant: tenant, Objects: []directory.Object{who}, Administrator: who.ID, Permissions: permissions(surfaces(a, a.Store, config.Dialects{}, nil)),
		Credentials: []directory.Credential{{Tenant: tenant.ID, Principal: who.ID, Password: hash, MustChange: true}},
	})
	return Administrator{Tenant: tenant.ID, Account: who.User.PrincipalName, Password: password}, err
}

// permissions lists every permission that some operation of the surfaces asks for.
func permissions(list []api.Surface) []string {
	var all []string
	for _, s := range list {
		for _, r := range s.Routes() {
			all = append(append(all, r.Access.Delegated...), r.Access.Application...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// firstStart makes the first tenant in an empty store, and tells the operator how to sign in to it. Tenants that are there
// may use by the command line what this version has.
func (s *Server) firstStart(ctx context.Context) error {
	tenants, err := s.Store.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if err := s.App.RenewCommandLine(ctx, t, permissions(s.surfaces)); err != nil {
			return fmt.Errorf("the command line of tenant %s: %w", t.Domain, err)
		}
	}
	if len(tenants) > 0 {
		return nil
	}
	admin, err := AddTenant(ctx, s.App, s.settings.Tenant)
	if errors.Is(err, store.ErrConflict) {
		return nil // another node on the same database was quicker, and has told its operator
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.notices, `
This is the first start: the tenant %q was made, with one administrator.

  account   %s
  password  %s   (once: the first sign-in asks for another)
  tenant    %s
  sign in   %s

The password is not shown again.

`, s.settings.Tenant.Name, admin.Account, admin.Password, admin.Tenant, Reach{s.url, s.CAFile()}.SignIn(""))
	return err
}

// bringSample brings the sample organisations into an empty store, or finds them there.
func (s *Server) bringSample(ctx context.Context) error {
	o := sample.Options{Seed: s.options.Sample.Seed, Permissions: permissions(s.surfaces), Created: s.App.Time()}
	main := sample.Organise(o)
	o.Created = o.Created.Add(time.Second) // so that the first one is the oldest, whose paths need no tenant
	neighbour := sample.Neighbour(o)
	tenants, err := s.Store.Tenants(ctx)
	if err != nil {
		return err
	}
	there := slices.ContainsFunc(tenants, func(t directory.Tenant) bool { return t.ID == main.Tenant.ID })
	if len(tenants) > 0 && !there {
		return unable(ExitSettings, "the store holds another organisation: the sample needs an empty data folder and database")
	}
	s.manifest, err = s.sampleSecrets(ctx, there, main, neighbour)
	return err
}

// tellPrograms writes the sample's manifest. It comes last, for programs take it for the sign that they can begin.
func (s *Server) tellPrograms(context.Context) error {
	if s.options.Sample == nil {
		return nil
	}
	if err := s.manifest.Write(s.settings.Data); err != nil {
		return unable(ExitUnusable, "the manifest of the sample cannot be written: %w", err)
	}
	return nil
}

// sampleSecrets makes the manifest, with new secrets unless the folder knows those of an organisation that is there.
func (s *Server) sampleSecrets(ctx context.Context, there bool, list ...sample.Organisation) (sample.Manifest, error) {
	known, err := sample.ReadManifest(s.settings.Data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return sample.Manifest{}, err
	}
	hashes := sample.Hashes{Password: idp.HashPassword, Secret: idp.HashSecret}
	var manifests []sample.Manifest
	for i, o := range list {
		secrets := sample.NewSecrets(o)
		switch {
		case !there:
			err = sample.Load(ctx, s.App, o, secrets, hashes)
		case known.TenantID == string(list[0].Tenant.ID) && known.Neighbour != nil:
			secrets = []sample.Manifest{known, *known.Neighbour}[i].Secrets()
			err = nil
		default:
			err = sample.Renew(ctx, s.Store, o, secrets, hashes)
		}
		if err != nil {
			return sample.Manifest{}, fmt.Errorf("the sample cannot be loaded: %w", err)
		}
		manifests = append(manifests, sample.NewManifest(o, secrets, s.url, s.CAFile()))
	}
	manifests[0].Neighbour = &manifests[1]
	return manifests[0], nil
}

// clockBound is how far the clock may be behind the newest audit entry at start.
const clockBound = time.Minute

// checkClock refuses to start with a clock that is behind what the store has certainly seen: what has ended would seem
// to hold again. The sample's time can be moved at will.
func (s *Server) checkClock(ctx context.Context) error {
	if s.options.Sample != nil {
		return nil
	}
	newest, err := s.newestEntry(ctx)
	if err != nil {
		return unable(ExitUnusable, "the store cannot be read: %w", err)
	}
	if now := s.real(); newest.Sub(now) > clockBound {
		return unable(ExitClock, "the clock says %s, but the newest entry of the audit log is of %s, %s later: set the clock right and start again",
			now.UTC().Format(time.RFC3339), newest.UTC().Format(time.RFC3339), newest.Sub(now).Round(time.Second))
	}
	s.App.SawTime(newest)
	return nil
}

func (s *Server) newestEntry(ctx context.Context) (time.Time, error) {
	tenants, err := s.Store.Tenants(ctx)
	if err != nil {
		return time.Time{}, err
	}
	var newest time.Time
	for _, t := range tenants {
		page, err := s.Store.Events(ctx, store.Query{Tenant: t.ID, Limit: 1, Order: []store.Order{{Field: store.FieldAt, Desc: true}}})
		if err != nil {
			return time.Time{}, err
		}
		for _, e := range page.Rows {
			if e.At.After(newest) {
				newest = e.At
			}
		}
	}
	return newest, nil
}

const (
	// tidyEvery is how often what is over is forgotten.
	tidyEvery = 10 * time.Minute
	tidyLimit = 10_000
)

// housekeeping sees to what nobody waits for, until the context ends.
func (s *Server) housekeeping(ctx context.Context) {
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-tidy.C:
			err = s.tidy(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "housekeeping failed; it is tried again", "error", err)
		}
	}
}

// tidyWithin bounds it, lest a database that does not answer holds it up for ever.
const tidyWithin = time.Minute

func (s *Server) tidy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tidyWithin)
	defer cancel()
	s.App.Index.Sweep(s.App.Time())
	err := purge(func() (int, error) { return s.Store.PurgeSecrets(ctx, s.real(), tidyLimit) })
	return errors.Join(err, s.forgetMails(ctx), s.forgetChanges(ctx))
}

// purge deletes some, tidyLimit at most, as often as there are so many.
func purge(some func() (int, error)) error {
	for {
		if n, err := some(); err != nil || n < tidyLimit {
			return err
		}
	}
}

// OpenStore opens the store of a server whether or not one runs on it, for what an operator does to it by hand. Its
// application has no index: it is for AddTenant and reading. Whoever opened it closes its store.
func OpenStore(ctx context.Context, settings config.Settings, log *slog.Logger) (*app.App, error) {
	s := &Server{settings: settings.WithDefaults(), Log: log, real: time.Now}
	if _, err := os.Stat(s.settings.Data); err != nil && s.settings.Database == "" && s.settings.DatabaseFile == "" {
		return nil, unable(ExitUnusable, "there is no data folder %s: `pim serve` makes it", s.settings.Data)
	}
	if err := s.openStore(ctx); err != nil {
		return nil, err
	}
	return &app.App{Store: s.Store, Index: access.New(), Log: log}, nil
}
