package pim

// Outcome is what follows from an ask: rows to be committed together or not at all.
type Outcome struct {
	// Key and Version are the case's, as it was read: the commit raises the version and fails if it has changed.
	Key     Key
	Version int64
	// Request is the one made or changed; nil where the clock ended a schedule that no open request stands behind.
	Request *Request
	// NewRequest says that the request is made by this outcome: its id must not exist yet.
	NewRequest bool
	// More are further requests that the outcome changes, such as the extension that an administrator's answer settles, or, where
	// it joins several, makes.
	More []Request
	// Schedules are made or changed, those of dependent cases included.
	Schedules []Schedule
	Effects   []Effect
	Events    []Event
	// Notices are what is told of the events.
	Notices []Notice
	// Touches are other cases that the outcome changes: their versions are raised too. Where promise P6 was judged,
	// the tenant's set of administrators is among them.
	Touches []Touch
	// Relies are other cases that the outcome only rests on: their versions must not have changed.
	Relies []Touch
	// ValidationOnly: nothing is to be stored; Request tells what would be.
	ValidationOnly bool
}

// Changed says whether there is anything to commit.
func (o Outcome) Changed() bool {
	return !o.ValidationOnly && (o.Request != nil || len(o.More)+len(o.Schedules)+len(o.Effects)+len(o.Events) > 0)
}
