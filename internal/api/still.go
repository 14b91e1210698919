package api

// Complete finds out which roles the caller holds now, on a route whose handler does that itself where it judges by them
// (Route.Uncompleted).
func (r *Request) Complete() {
	if r.route != nil {
		r.Caller = r.route.frame.Callers.Caller(r.Tenant, r.Caller)
	}
}

// Still says whether the caller might make the same call now, for answers that are streamed for long: the token holds, the account
// counts, the permission is there. It returns why not. The caller has to be completed again.
func (r *Request) Still() error {
	if r.route == nil || r.route.route.Access.Open {
		return nil
	}
	if err := r.route.frame.identify(r); err != nil {
		return err
	}
	return r.route.route.Access.permit(r)
}
