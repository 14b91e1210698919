package pim

// Change is one property of a directory object that changed, as the audit log tells it.
type Change struct{ Name, Old, New string }

// ChangeDetails are the details of a DirectoryChanged event: what kind of object it was, what became of it ("created",
// "changed", "deleted", "restored", "purged"), and each changed property with its name, its old value and its new one.
func ChangeDetails(kind, what string, changes []Change) []string {
	out := make([]string, 0, 2+3*len(changes))
	out = append(out, kind, what)
	for _, c := range changes {
		out = append(out, c.Name, c.Old, c.New)
	}
	return out
}

// Changes reads what ChangeDetails wrote.
func (e Event) Changes() (kind, what string, changes []Change) {
	if e.Activity != DirectoryChanged || len(e.Details) < 2 {
		return "", "", nil
	}
	for rest := e.Details[2:]; len(rest) >= 3; rest = rest[3:] {
		changes = append(changes, Change{rest[0], rest[1], rest[2]})
	}
	return e.Details[0], e.Details[1], changes
}
