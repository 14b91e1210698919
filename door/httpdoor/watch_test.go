package httpdoor_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"portcullis/door/httpdoor"
)

func watching(o *httpdoor.Options) { o.Watch = true }

// What the stream says holds at once, for who comes and for who is there.
func TestWhatTheStreamSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, watching)
		h.says(false, "notActivated", 0)
		h.wants("before", 403)
		h.says(true, "activation", 8*time.Hour)
		synctest.Wait()
		h.wants("activated", 200)
		x, deaf, socket := h.hold("/live?who=alice"), h.hold("/deaf?who=alice"), h.hold("/taken?who=alice")
		time.Sleep(10*time.Minute + time.Millisecond)
		h.says(false, "none", 0)
		h.endsAfter(x, 10*time.Minute+time.Millisecond)
		h.endsAfter(socket, 10*time.Minute+time.Millisecond)
		h.endsAfter(deaf, 10*time.Minute+time.Second)
		if err := h.cause(); !errors.Is(err, httpdoor.ErrClosed) || !strings.Contains(err.Error(), "none") {
			t.Errorf("the context ended with %v, want ErrClosed and the reason", err)
		}
		h.wants("taken away", 403)
		if asked := h.questions(); len(asked) != 1 {
			t.Errorf("the server was asked %d times, want once for all of it", len(asked))
		}
	})
}

// A grant that is made longer lets go on what is there.
func TestALongerGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, watching)
		h.says(true, "activation", time.Hour)
		x := h.hold("/live?who=alice")
		time.Sleep(50 * time.Minute)
		h.says(true, "activation", time.Hour)
		h.endsAfter(x, 110*time.Minute)
	})
}

// The end of a grant needs no word from the server.
func TestTheEndNeedsNoWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(o *httpdoor.Options) { o.Watch, o.Silence = true, time.Hour })
		h.says(true, "activation", time.Minute)
		h.wants("at first", 200)
		h.set(func() { h.mute = true })
		x := h.hold("/live?who=alice")
		h.endsAfter(x, time.Minute)
		h.wants("over", 403)
	})
}

// A server that says nothing any more is one that cannot be believed: silence, counted from its last word, cuts.
func TestSilenceCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, watching)
		h.says(true, "assignment", 0)
		x := h.hold("/live?who=alice")
		time.Sleep(time.Hour + time.Second) // its words every 15 s keep it
		select {
		case after := <-x.ended:
			t.Fatalf("cut after %s while the server says all is well", after)
		default:
		}
		h.set(func() { h.mute = true })
		h.endsAfter(x, time.Hour+20*time.Second) // its last word was on the hour
		if err := h.cause(); !errors.Is(err, httpdoor.ErrClosed) {
			t.Errorf("the context ended with %v, want ErrClosed", err)
		}
	})
}

// A stream that breaks off is opened again. What is there goes on if that takes no longer than the silence, and who comes waits.
func TestAStreamThatBreaksOff(t *testing.T) {
	for _, c := range []struct {
		name string
		away time.Duration
		cut  time.Duration // zero: it is not cut
	}{
		{"for a moment", 0, 0},
		{"for a while", 5 * time.Second, 0},
		{"for too long", time.Minute, 20 * time.Second},
	} {
		bubble(t, c.name, func(t *testing.T) {
			h := open(t, watching)
			h.says(true, "assignment", 0)
			x := h.hold("/live?who=alice")
			time.Sleep(10 * time.Second)
			if c.away > 0 {
				h.set(func() { h.status = 503 })
			}
			h.breakOff()
			synctest.Wait()
			if c.away > 0 {
				h.wants("while it is away", 503)
				time.Sleep(c.away)
				h.set(func() { h.status = 0 })
				time.Sleep(5 * time.Second)
			}
			h.wants("when it is back", 200)
			if c.cut != 0 {
				h.endsAfter(x, c.cut) // from the last word, which was the first one
				return
			}
			h.says(false, "none", 0)
			synctest.Wait()
			select {
			case after := <-x.ended:
				if after < 0 || h.cause() == nil || !strings.Contains(h.cause().Error(), "none") {
					t.Errorf("ended after %s with %v, want it cut by the server's no", after, h.cause())
				}
			default:
				t.Error("the held request goes on after the server's no")
			}
			if n := h.streams(); n != 1 {
				t.Errorf("%d streams are open, want 1", n)
			}
			headers := h.headers[len(h.headers)-1]
			if got := headers.Get("Portcullis-Consistency"); c.away == 0 && got != "tassignment" {
				t.Errorf("the new connection asks for %q, want what the old one has shown", got)
			}
		})
	}
}

// What changes while nobody watches is known with the next connection.
func TestWhatChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, watching)
		h.says(true, "assignment", 0)
		x := h.hold("/live?who=alice")
		time.Sleep(time.Second + time.Millisecond)
		h.set(func() { h.now["alice"] = answer{false, map[string]any{"reason": "none"}} })
		h.breakOff()
		select {
		case after := <-x.ended:
			if after < 0 || after > 2*time.Second {
				t.Errorf("cut after %s, want it with the next connection", after)
			}
		case <-time.After(time.Minute):
			t.Error("the held request goes on")
		}
	})
}

// A stream that no request needs is closed after a while, and opened again for the next one.
func TestStreamsLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, watching)
		h.says(true, "assignment", 0)
		h.wants("at first", 200)
		time.Sleep(50 * time.Second)
		h.wants("soon", 200)
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if n, asked := h.streams(), len(h.questions()); n != 1 || asked != 1 {
			t.Errorf("%d streams are open of %d, want the first one", n, asked)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := h.streams(); n != 0 {
			t.Errorf("%d streams are open, want none", n)
		}
		h.wants("later", 200)
		x := h.hold("/live?who=alice")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n, asked := h.streams(), len(h.questions()); n != 1 || asked != 2 {
			t.Errorf("%d streams are open of %d, want that of the held request", n, asked)
		}
		h.door.Close()
		<-x.ended
	})
}

// Who is watched is bounded: those of whom no request needs to know give way, and else who comes is refused.
func TestWhoIsWatchedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(o *httpdoor.Options) { o.Watch, o.Subjects = true, 2 })
		for _, who := range []string{"alice", "bob", "carol", "dan"} {
			h.saysOf(who, true, "assignment", 0)
		}
		for _, who := range []string{"alice", "bob", "carol"} {
			if status, _ := h.get("/?who=" + who); status != 200 {
				t.Errorf("%s: got %d", who, status)
			}
			synctest.Wait()
		}
		if asked := h.questions(); strings.Contains(asked[2], "alice") == strings.Contains(asked[2], "bob") || !strings.Contains(asked[2], "carol") {
			t.Errorf("the last stream is about %q, want carol and one of those before", asked[2])
		}
		bob, carol := h.hold("/live?who=bob"), h.hold("/live?who=carol")
		if status, _ := h.get("/?who=dan"); status != 503 {
			t.Errorf("dan: got %d, want 503 while both are needed", status)
		}
		if status, _ := h.get("/?who=carol"); status != 200 {
			t.Errorf("carol: got %d by what is kept", status)
		}
		h.saysOf("bob", false, "none", 0)
		<-bob.ended
		synctest.Wait()
		if status, _ := h.get("/?who=dan"); status != 200 {
			t.Errorf("dan: got %d when there is room", status)
		}
		h.door.Close()
		<-carol.ended
	})
}

// Many share few streams. Who joins disturbs nobody, and what is said of one is said of nobody else.
func TestManyShareAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, watching)
		const many = 250
		var holds []*held
		for i := range many {
			who := fmt.Sprintf("p%d", i)
			h.saysOf(who, true, "assignment", 0)
			holds = append(holds, h.hold("/live?who="+who))
		}
		h.says(false, "none", 0)
		h.wants("alice, who holds nothing", 403)
		synctest.Wait()
		if n := h.streams(); n != 3 {
			t.Errorf("%d streams are open for %d people, want 3", n, many+1)
		}
		time.Sleep(time.Minute)
		h.saysOf("p77", false, "none", 0)
		synctest.Wait()
		for i, x := range holds {
			select {
			case after := <-x.ended:
				if i != 77 {
					t.Errorf("p%d: cut after %s", i, after)
				}
			default:
				if i == 77 {
					t.Error("p77 goes on")
				}
			}
		}
		h.breakOff()
		time.Sleep(time.Second)
		if n := h.streams(); n != 3 {
			t.Errorf("%d streams are open after all broke off, want 3", n)
		}
		h.door.Close()
		for i, x := range holds {
			if i != 77 {
				<-x.ended
			}
		}
	})
}

// Many who come at once share a stream, and wait for one another no longer than it takes to ask.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, watching)
		h.set(func() { h.delay = time.Second / 2 })
		var all sync.WaitGroup
		began := time.Now()
		for i := range 100 {
			who := fmt.Sprintf("p%d", i)
			h.saysOf(who, i%2 == 0, "assignment", 0)
			all.Go(func() {
				want := map[bool]int{true: 200, false: 403}[i%2 == 0]
				if status, _ := h.get("/?who=" + who); status != want {
					t.Errorf("%s: got %d, want %d", who, status, want)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > time.Second || len(h.questions()) > 2 {
			t.Errorf("took %s and %d questions, want the time of two calls at most", took, len(h.questions()))
		}
	})
}
