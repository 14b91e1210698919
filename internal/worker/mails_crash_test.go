package worker_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/store"
	"portcullis/internal/worker"
)

// The child process of the crash tests finds here what it is to do: the folder of the store, the port of the mail server,
// and whether it gets stuck before it notes that a mail was sent.
const mailsChild = "WORKER_MAILS_CHILD"

// crashLease is for how long the child's mails are nobody else's after its death.
const crashLease = 3 * time.Second

// TestMailsChild is the body of the child process; in the parent it has nothing to do.
func TestMailsChild(t *testing.T) {
	what := os.Getenv(mailsChild)
	if what == "" {
		return
	}
	folder, rest, _ := strings.Cut(what, "|")
	port, stuck, _ := strings.Cut(rest, "|")
	b := &inbox{}
	var err error
	if b.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	o := newOffice(t, folder)
	o.post(b.options())
	o.mails.Lease = crashLease
	if stuck == "stuck" {
		o.mails.Store = neverNotes{o.Store}
	}
	if err := o.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := o.mails.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// neverNotes tells that a mail was sent, and never comes to note it.
type neverNotes struct{ store.Store }

func (n neverNotes) SettleMail(ctx context.Context, holder string, after pim.Mail, more []pim.Mail, entries []store.Entry) error {
	if after.State == pim.MailSent {
		fmt.Println("sent and not noted")
		select {}
	}
	return n.Store.SettleMail(ctx, holder, after, more, entries)
}

// oneMail makes an office in a folder in which one mail waits to be sent.
func oneMail(t *testing.T, folder string) {
	t.Helper()
	o := newOffice(t, folder)
	o.found()
	o.rules(deskOf(anna), func(r *policy.Rules) { r.AdminEligibility.Notifications.Admins.Level = policy.NotifyNone })
	o.Tell = func() {} // others send
	o.asks(root, pim.Ask{Action: pim.AdminAssign, Kind: pim.Eligibility, Key: deskOf(anna), Schedule: lasting(24 * time.Hour)})
	if err := o.Store.Close(); err != nil {
		t.Fatal(err)
	}
}

// killed runs the child until a sign is given, and kills it.
func killed(t *testing.T, folder string, b *inbox, mode string, sign <-chan struct{}, out *signs) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMailsChild$", "-test.count=1")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%d|%s", mailsChild, folder, b.port, mode))
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-sign:
	case <-time.After(time.Minute):
		t.Error("the child does not come to that")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

// signs is a writer that gives a sign when something was written that contains a text.
type signs struct {
	of   string
	once sync.Once
	seen chan struct{}
}

func (s *signs) Write(p []byte) (int, error) {
	if s.of != "" && strings.Contains(string(p), s.of) {
		s.once.Do(func() { close(s.seen) })
	}
	return len(p), nil
}

// takenOver has another process send what the dead one has left, and returns when all is settled.
func takenOver(t *testing.T, folder string, b *inbox) {
	t.Helper()
	o := newOffice(t, folder)
	o.post(b.options())
	if err := o.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := o.works()
	mails := o.await("what is left", func(mails []pim.Mail) bool { return len(mails) > 1 && settled(mails) })
	stop()
	for _, m := range mails {
		if m.Address != "" && (m.State != pim.MailSent || m.Stuck) {
			t.Errorf("got %+v, want it sent", m)
		}
	}
	// And nobody sends it again.
	again := &worker.Mails{App: o.App, Store: o.Store, Post: o.mails.Post, Writer: o.mails.Writer, Now: o.Time, Holder: "again"}
	ctx, cancel := context.WithTimeout(t.Context(), crashLease+time.Second)
	defer cancel()
	if err := again.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := o.Store.Close(); err != nil {
		t.Error(err)
	}
}

// SIGKILL while the server has the mail and has not said yes: it arrives once.
func TestMailKilledBeforeItWasTaken(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	oneMail(t, folder)
	entered, dead := make(chan struct{}), make(chan struct{})
	var first sync.Once
	b := &inbox{}
	b.taken = func() (err error) {
		first.Do(func() {
			close(entered)
			<-dead
			err = context.Canceled // nobody is there any more to take it from
		})
		return err
	}
	b.serve(t, 0)
	killed(t, folder, b, "", entered, &signs{})
	close(dead)
	takenOver(t, folder, b)
	if got := b.got(); len(got) != 1 {
		t.Errorf("got %q, want one mail", got)
	}
}

// SIGKILL after the server took the mail, before the sender knows, or before the sender has noted it: it may come once
// more, under the same Message-ID, and no more than that.
func TestMailKilledBeforeItWasNoted(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		what, mode string
	}{{"the server holds its yes", ""}, {"the sender does not come to note it", "stuck"}} {
		t.Run(fact.what, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			oneMail(t, folder)
			out := &signs{seen: make(chan struct{}), of: "sent and not noted"}
			dead := make(chan struct{})
			var first sync.Once
			b := &inbox{}
			if fact.mode == "" {
				b.held = func() error {
					first.Do(func() {
						out.once.Do(func() { close(out.seen) })
						<-dead
					})
					return nil
				}
			}
			b.serve(t, 0)
			killed(t, folder, b, fact.mode, out.seen, out)
			close(dead)
			if got := b.got(); len(got) != 1 {
				t.Fatalf("got %q before the death, want one mail", got)
			}
			takenOver(t, folder, b)
			got := b.got()
			if len(got) != 2 || got[0] != got[1] {
				t.Errorf("got %q, want the mail twice, to the same address under the same Message-ID", got)
			}
		})
	}
}
