package sqlstore

import (
	"portcullis/internal/pim"
)

// storedApproval is an approval as its request keeps it.
type storedApproval struct {
	Stages []storedStage `json:"stages,omitempty"`
}

type storedStage struct {
	ID        string             `json:"id,omitempty"`
	Setting   storedStageSetting `json:"set"`
	Status    int                `json:"st,omitempty"`
	Opened    *int64             `json:"o,omitempty"`
	Escalates *int64             `json:"e,omitempty"`
	Lapses    *int64             `json:"l,omitempty"`
	Escalated bool               `json:"x,omitempty"`
	Decisions []storedDecision   `json:"d,omitempty"`
}

type storedDecision struct {
	By            storedActor `json:"by"`
	Person        string      `json:"p,omitempty"`
	At            *int64      `json:"at,omitempty"`
	Approved      bool        `json:"ok,omitempty"`
	Justification string      `json:"why,omitempty"`
}

func fromApproval(a *pim.Approval) *storedApproval {
	if a == nil {
		return nil
	}
	f := &storedApproval{}
	for _, s := range a.Stages {
		g := storedStage{
			ID: string(s.ID), Setting: fromStageSetting(s.Setting), Status: int(s.Status), Opened: optionalStamp(s.Opened),
			Escalates: optionalStamp(s.Escalates), Lapses: optionalStamp(s.Lapses), Escalated: s.Escalated,
		}
		for _, d := range s.Decisions {
			g.Decisions = append(g.Decisions, storedDecision{
				fromActor(d.By), d.Person, optionalStamp(d.At), d.Approved, d.Justification,
			})
		}
		f.Stages = append(f.Stages, g)
	}
	return f
}

func (f *storedApproval) approval() *pim.Approval {
	if f == nil {
		return nil
	}
	a := &pim.Approval{}
	for _, g := range f.Stages {
		s := pim.Stage{
			ID: pim.StageID(g.ID), Setting: g.Setting.setting(), Status: pim.StageStatus(g.Status),
			Opened: optionalInstant(g.Opened), Escalates: optionalInstant(g.Escalates), Lapses: optionalInstant(g.Lapses),
			Escalated: g.Escalated,
		}
		for _, d := range g.Decisions {
			s.Decisions = append(s.Decisions, pim.Decision{
				By: d.By.actor(), Person: d.Person, At: optionalInstant(d.At), Approved: d.Approved, Justification: d.Justification,
			})
		}
		a.Stages = append(a.Stages, s)
	}
	return a
}
