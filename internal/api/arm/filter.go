package arm

import (
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api/odata"
)

// The $filter of lists under Microsoft.Authorization (reference arm-pim §5): functions that say whose rows are meant and where, and
// comparisons with eq, joined by and. What members mean is for the lists to say.

// filterWords are what the filter of a list may name, in the spelling of the reference; callers' letter case does not matter.
type filterWords struct {
	// functions take no argument, or one where their name is followed by "(id)".
	functions []string
	// members are compared with eq.
	members []string
	// or says that comparisons of one member may be joined by or.
	or bool
}

// filter is a $filter that was read. The zero value asks for everything.
type filter struct {
	functions map[string]string // the argument by the name
	members   map[string][]string
}

// has says whether a function is asked for.
func (f filter) has(function string) bool { _, ok := f.functions[function]; return ok }

// argument is that of a function, in lower case; empty: it is not asked for.
func (f filter) argument(function string) string { return f.functions[function] }

// is is the value that a member is to have; false: any.
func (f filter) is(member string) (string, bool) {
	if values := f.members[member]; len(values) > 0 {
		return values[0], true
	}
	return "", false
}

// filter reads the call's. The error is a *problem with the code InvalidFilter.
func (c *call) filter(words filterWords) (filter, error) {
	return parseFilter(c.option("$filter"), words)
}

func parseFilter(text string, words filterWords) (filter, error) {
	f := filter{functions: map[string]string{}, members: map[string][]string{}}
	e, err := odata.ParseFilter(text)
	if err != nil {
		return f, invalidFilter(err)
	}
	if e == nil {
		return f, nil
	}
	return f, f.read(e, words)
}

func (f filter) read(e odata.Expr, words filterWords) error {
	switch e := e.(type) {
	case odata.And:
		for _, term := range e {
			if err := f.read(term, words); err != nil {
				return err
			}
		}
		return nil
	case odata.Call:
		return f.call(e, words)
	case odata.Compare:
		return f.compare(e, words)
	case odata.Or:
		return f.either(e, words)
	case odata.Not, odata.In, odata.Any, odata.All:
	}
	return filterRefused("only functions and comparisons with eq, joined by and, are understood")
}

func (f filter) call(e odata.Call, words filterWords) error {
	for _, known := range words.functions {
		name, takes := strings.CutSuffix(known, "(id)")
		if !strings.EqualFold(name, e.Name) {
			continue
		}
		if _, twice := f.functions[name]; twice {
			return filterRefused("'" + name + "' stands twice in it")
		}
		argument := ""
		if takes != (len(e.Args) == 1) || len(e.Args) > 1 {
			return filterRefused("'" + name + "' takes another number of arguments")
		}
		if takes {
			value, _ := e.Args[0].(odata.Literal) // what is none has no text
			id, ok := lastGUID(odata.TextOf(value))
			if !ok {
				return filterRefused("'" + name + "' takes an id")
			}
			argument = id
		}
		f.functions[name] = argument
		return nil
	}
	return filterRefused("the function '" + printable(e.Name) + "' is not known here")
}

func (f filter) compare(e odata.Compare, words filterWords) error {
	i := slices.IndexFunc(words.members, func(m string) bool { return strings.EqualFold(m, strings.Join(e.Path.Segments, "/")) })
	if i < 0 || e.Path.Wrap != odata.Plain {
		return filterRefused("the member '" + printable(e.Path.String()) + "' is not known here")
	}
	value := odata.TextOf(e.Value)
	if e.Op != odata.Eq || value == "" {
		return filterRefused("a member is compared by eq with a text")
	}
	name := words.members[i]
	if len(f.members[name]) > 0 {
		return filterRefused("'" + name + "' stands twice in it")
	}
	f.members[name] = []string{value}
	return nil
}

// either reads several values of one member.
func (f filter) either(list odata.Or, words filterWords) error {
	all := map[string][]string{}
	for _, e := range list {
		one := filter{functions: map[string]string{}, members: map[string][]string{}}
		compare, ok := e.(odata.Compare)
		if !ok || !words.or {
			return filterRefused("it has an or that is not understood here")
		}
		if err := one.compare(compare, words); err != nil {
			return err
		}
		for name, values := range one.members {
			all[name] = append(all[name], values...)
		}
	}
	for name, values := range all {
		if len(all) > 1 || len(f.members[name]) > 0 {
			return filterRefused("its or is about more than one member")
		}
		f.members[name] = values
	}
	return nil
}

func filterRefused(why string) *problem {
	return &problem{Status: http.StatusBadRequest, Code: "InvalidFilter", Message: "The filter is not supported: " + why + "."}
}

// spaced turns plus signs outside of quotes into blanks: an SDK sends the one that stands for a blank as if it were meant itself
// (reference arm-pim §1, "Query decoding").
func spaced(filter string) string {
	quoted := false
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\'':
			quoted = !quoted
		case r == '+' && !quoted:
			return ' '
		}
		return r
	}, filter)
}
