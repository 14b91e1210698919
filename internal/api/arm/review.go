package arm

import "portcullis/internal/api"

// Access reviews (reference arm-pim §11). There are none here: the lists are empty, and what makes or changes one is refused. The
// reviews that a caller is asked to do are listed for the whole tenant, for everybody.

func reviewRoutes() []route {
	const (
		schedules = "accessReviewScheduleDefinitions"
		history   = "accessReviewHistoryDefinitions"
		settings  = "accessReviewScheduleSettings/default"
		instances = schedules + "/{name}/instances"
		one       = instances + "/{id}"
	)
	list := []route{
		{get, under(settings), getNothing}, {put, under(settings), refuseFeature},
		{get, under(history), listNothing},
		{get, under(history + "/{name}"), getNothing}, {put, under(history + "/{name}"), refuseFeature}, {del, under(history + "/{name}"), deleteNothing},
		{get, under(history + "/{name}/instances"), getNothing},
		{post, under(history + "/{name}/instances/{id}/generateDownloadUri"), refuseFeature},
		{get, under(schedules), listReviews},
		{get, under(schedules + "/{name}"), getNothing}, {put, under(schedules + "/{name}"), refuseFeature}, {del, under(schedules + "/{name}"), deleteNothing},
		{post, under(schedules + "/{name}/stop"), refuseFeature},
		{get, under(instances), getNothing},
		{get, under(one), getNothing}, {put, under(one), refuseFeature},
		{get, under(one + "/contactedReviewers"), getNothing},
		{get, under(one + "/decisions"), getNothing},
		{get, under(one + "/decisions/{decision}"), getNothing}, {patch, under(one + "/decisions/{decision}"), refuseFeature},
	}
	for _, action := range []string{"stop", "resetDecisions", "applyDecisions", "sendReminders", "recordAllDecisions", "acceptRecommendations"} {
		list = append(list, route{post, under(one + "/" + action), refuseFeature})
	}
	return list
}

// listReviews is empty. One's own are asked for without a scope.
func listReviews(c *call) (api.Answer, error) {
	if c.Scope == "" {
		return c.page(nil, nil), nil
	}
	return listNothing(c)
}

// deleteNothing takes what is not there for deleted.
func deleteNothing(c *call) (api.Answer, error) {
	if err := c.known(); err != nil {
		return api.Answer{}, err
	}
	return api.Answer{}, nil
}
