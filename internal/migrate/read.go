package migrate

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"portcullis/internal/pim"
)

// ReadOptions say what of a source is read, and how. The zero value reads all.
type ReadOptions struct {
	// Providers are what is read; none: directory roles, groups and resources.
	Providers []pim.Provider
	// Resources answers for resources where that is another server than the one for the rest, as with Microsoft's; nil: the same.
	Resources Server
	// Places are where rules are read although nobody holds anything there. Of the third iteration the rules of resources are read there,
	// and where somebody holds something or asks for it: no server of it tells which others have changed.
	Places []Place
	// Parallel is how many calls run at once; zero: eight.
	Parallel int
	// Progress is told how far a step has come; nil: nobody. It is called from one goroutine at a time.
	Progress func(Progress)
	// Now is the clock; nil: the real one.
	Now func() time.Time
}

// Iteration is a generation of PIM's interfaces.
type Iteration int

// The iterations. The zero value is none.
const (
	_ Iteration = iota
	First
	Second
	Third
)

// Speaks says which iterations a server speaks to the caller, the newest first; none is no error. The error says why the server
// could not be asked.
func Speaks(ctx context.Context, s Server, o ReadOptions) ([]Iteration, error) {
	r := newReading(s, s.Origin(), o)
	var out []Iteration
	for _, i := range []Iteration{Third, Second, First} {
		ok, err := r.speaks(ctx, i)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, i)
		}
	}
	return out, nil
}

// speaks asks for the shortest list of an iteration, of the first provider that is wanted.
func (r *reading) speaks(ctx context.Context, i Iteration) (bool, error) {
	p := r.o.Providers[0]
	path, server := "", r.Server
	switch {
	case i == Second:
		_, err := v2Root(ctx, r, p)
		return err == nil, unanswered(err)
	case i == First && p == pim.Directory:
		path = asked(v1Root+"privilegedRoles", "$top", "1")
	case i == First:
		return false, nil
	case p == pim.Resource:
		path, server = arm("/subscriptions", subscriptionsVersion), r.o.Resources
	case p == pim.Group:
		path = asked("/v1.0/groups", "$top", "1", "$select", "id")
	default:
		path = asked(graphDirectoryRoot+"roleDefinitions", "$top", "1", "$select", "id")
	}
	var list struct{ Value *[]struct{} }
	err := server.Call(ctx, http.MethodGet, path, nil, &list)
	return err == nil && list.Value != nil, unanswered(err)
}

// unanswered is an error that is no answer: an answer that refuses says that the server does not speak so.
func unanswered(err error) error {
	if status := statusOf(err); status > 0 && status < http.StatusInternalServerError && status != http.StatusTooManyRequests {
		return nil
	}
	return err
}

// Read reads a server's estate in the newest iteration that it speaks, which tells the most.
func Read(ctx context.Context, s Server, o ReadOptions) (*Estate, error) {
	spoken, err := Speaks(ctx, s, o)
	if err != nil {
		return nil, err
	}
	for _, i := range spoken {
		switch i {
		case Third:
			return ReadV3(ctx, s, o)
		case Second:
			return ReadV2(ctx, s, o)
		case First:
			return ReadV1(ctx, s, o)
		}
	}
	return nil, fmt.Errorf("%s speaks no iteration of PIM to the caller", s.Origin())
}
