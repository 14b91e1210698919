package authzen

import (
	"encoding/json"
	"fmt"
	"net/http"

	"portcullis/internal/api"
)

// metadata is what a decision point tells of itself ("Policy Decision Point Metadata"), and our own members at the end.
type metadata struct {
	Point       string `json:"policy_decision_point"`
	Evaluation  string `json:"access_evaluation_endpoint"`
	Evaluations string `json:"access_evaluations_endpoint"`
	Subjects    string `json:"search_subject_endpoint"`
	Resources   string `json:"search_resource_endpoint"`
	Actions     string `json:"search_action_endpoint"`
	Watch       string `json:"portcullis_watch_endpoint"`
	Gate        string `json:"portcullis_gate_endpoint"`
}

func (s *Surface) metadata(r *api.Request) (api.Answer, error) {
	body, err := json.Marshal(metadata{
		Point: r.Origin, Evaluation: r.Origin + base + "evaluation", Evaluations: r.Origin + base + "evaluations",
		Subjects: r.Origin + base + "search/subject", Resources: r.Origin + base + "search/resource", Actions: r.Origin + base + "search/action",
		Watch: r.Origin + base + "watch", Gate: r.Origin + base + "gate",
	})
	if err != nil {
		return api.Answer{}, fmt.Errorf("write the metadata: %w", err)
	}
	return api.Answer{Status: http.StatusOK, Type: typeJSON, Header: requestID(r), Body: body}, nil
}
