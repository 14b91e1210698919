package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// sending is a mail with its lease.
type sending struct {
	pim.Mail
	holder string
	lease  time.Time
}

// wake is when the mail may be claimed; zero: never.
func (s sending) wake() time.Time {
	if !s.Due.IsZero() && s.holder != "" {
		return s.lease
	}
	return s.Due
}

// post keeps mails that are not there yet.
func (m *Model) post(mails []pim.Mail) {
	for _, one := range mails {
		at := rowOf(one.Notice.Tenant, one.ID)
		if _, there := m.mails[at]; !there {
			m.mails[at] = sending{Mail: kept(one)}
		}
	}
}

func mailsOf(notices []pim.Notice) (mails []pim.Mail) {
	for _, n := range notices {
		mails = append(mails, pim.NewMail(n))
	}
	return mails
}

// ClaimMails implements store.Mails.
func (m *Model) ClaimMails(ctx context.Context, holder string, now, until time.Time, limit int) ([]pim.Mail, time.Time, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer leave()
	if holder == "" {
		return nil, time.Time{}, fmt.Errorf("a claim needs the name of its holder")
	}
	var ready []row
	for k, s := range m.mails {
		if w := s.wake(); !w.IsZero() && !w.After(now) {
			ready = append(ready, k)
		}
	}
	slices.SortFunc(ready, func(a, b row) int {
		if c := m.mails[a].wake().Compare(m.mails[b].wake()); c != 0 {
			return c
		}
		return compareRows(a, b)
	})
	var mails []pim.Mail
	for _, k := range ready[:min(len(ready), limit)] {
		s := m.mails[k]
		s.holder, s.lease = holder, kept(until)
		m.mails[k] = s
		mails = append(mails, kept(s.Mail))
	}
	var next time.Time
	for _, s := range m.mails {
		if w := s.wake(); w.After(now) {
			next = earlier(next, w)
		}
	}
	slices.SortFunc(mails, func(a, b pim.Mail) int {
		if c := a.Due.Compare(b.Due); c != 0 {
			return c
		}
		return compareRows(rowOf(a.Notice.Tenant, a.ID), rowOf(b.Notice.Tenant, b.ID))
	})
	return mails, next, nil
}

// SettleMail implements store.Mails.
func (m *Model) SettleMail(ctx context.Context, holder string, after pim.Mail, more []pim.Mail, entries []store.Entry) error {
	leave, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	at := rowOf(after.Notice.Tenant, after.ID)
	if s, there := m.mails[at]; !there || holder == "" || s.holder != holder {
		return store.ErrStale
	}
	if err := m.checkEntries(entries); err != nil {
		return err
	}
	m.mails[at] = sending{Mail: kept(after)}
	m.post(more)
	m.log(kept(entries))
	return nil
}

// Mails implements store.Mails.
func (m *Model) Mails(ctx context.Context, q store.Query) (store.Page[pim.Mail], error) {
	return listOf(ctx, m, q, func() map[row]pim.Mail {
		all := map[row]pim.Mail{}
		for k, s := range m.mails {
			all[k] = s.Mail
		}
		return all
	}, mailFields)
}

func mailFields(m pim.Mail) fields {
	return fields{
		store.FieldID: textOf(m.ID), store.FieldKind: intOf(m.Notice.Kind), store.FieldMail: foldedOf(m.Address),
		store.FieldState: intOf(m.State), store.FieldStuck: flagOf(m.Stuck), store.FieldCreated: timeOf(m.Notice.At),
	}
}

// PurgeMails implements store.Mails.
func (m *Model) PurgeMails(ctx context.Context, before time.Time, limit int) (int, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	var over []row
	for k, s := range m.mails {
		if !s.Settled.IsZero() && !s.Settled.After(before) {
			over = append(over, k)
		}
	}
	slices.SortFunc(over, func(a, b row) int { return m.mails[a].Settled.Compare(m.mails[b].Settled) })
	over = over[:min(len(over), limit)]
	for _, k := range over {
		delete(m.mails, k)
	}
	return len(over), nil
}
