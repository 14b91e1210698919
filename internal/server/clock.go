package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"portcullis/internal/schedule"
)

// shifted is PIM's clock in sample mode: the real one and an offset, so that a year can be tried in a minute. TLS, one
// time codes and tokens go by the real clock all the same, and doors are given real time.
type shifted struct {
	real func() time.Time

	mu     sync.Mutex
	offset time.Duration
}

// Now is PIM's time.
func (s *shifted) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.real().Add(s.offset)
}

// Offset is how far PIM's time is ahead of the real one.
func (s *shifted) Offset() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offset
}

func (s *shifted) set(offset time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = offset
}

// maxOffset keeps PIM's time within what schedules can hold.
const maxOffset = 200 * 365 * 24 * time.Hour

var errOffset = errors.New(`the offset must be a duration such as "P400D", "-PT1H" or "20m", of 200 years at most`)

// ParseOffset reads an ISO 8601 duration, perhaps with a sign, or one as Go writes them. Months and years are measured
// on the calendar from now.
func ParseOffset(text string, now time.Time) (time.Duration, error) {
	unsigned, negative := strings.CutPrefix(strings.TrimPrefix(text, "+"), "-")
	var d time.Duration
	if strings.HasPrefix(unsigned, "P") {
		iso, err := schedule.ParseDuration(unsigned)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errOffset, err)
		}
		d = iso.AddTo(now).Sub(now)
	} else {
		var err error
		if d, err = time.ParseDuration(unsigned); err != nil {
			return 0, errOffset
		}
	}
	if d < 0 || d > maxOffset {
		return 0, errOffset
	}
	if negative {
		d = -d
	}
	return d, nil
}

// clockState is what the sample's clock tells.
type clockState struct {
	// Offset is how far PIM's time is ahead of the real one.
	Offset string `json:"offset"`
	// Now is PIM's time.
	Now time.Time `json:"now"`
}

// serveClock tells and moves PIM's time: GET, and POST {"offset":"P400D"}.
func (s *Server) serveClock(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		if err := s.moveClock(w, r); err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "The clock is read with GET and moved with POST.", http.StatusMethodNotAllowed)
		return
	}
	writeJSON(w, http.StatusOK, clockState{Offset: s.clock.Offset().String(), Now: s.App.Time()})
}

func (s *Server) moveClock(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Offset string `json:"offset"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<10))
	if err != nil {
		return errOffset
	}
	if err := json.Unmarshal(body, &in); err != nil || in.Offset == "" {
		return errOffset
	}
	offset, err := ParseOffset(in.Offset, s.real())
	if err != nil {
		return err
	}
	s.clock.set(offset)
	s.App.ResetClock()
	s.wake(time.Time{})
	s.Log.Info("the sample's clock was moved", "offset", offset)
	return nil
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		// Only values of our own come here, and all of them can be written.
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller may have gone away
}
