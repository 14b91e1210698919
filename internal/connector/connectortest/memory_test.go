package connectortest_test

import (
	"testing"

	"portcullis/internal/connector"
	"portcullis/internal/connector/connectortest"
)

func TestMemory(t *testing.T) {
	connectortest.Run(t, func(*testing.T) connectortest.Harness {
		m := connectortest.NewMemory("dba", "reader")
		return connectortest.Harness{
			Connector:     m,
			Privileges:    [2]string{"dba", "reader"},
			Account:       func(*testing.T, string) {},
			MakesAccounts: true,
			CarriesUntil:  true,
			LongestName:   63,
			Enter: func(_ *testing.T, account, privilege string) (connectortest.Session, error) {
				return m.Enter(account, privilege)
			},
			Down: func(*testing.T) { m.Fail(connectortest.ErrDown) },
			Up:   func(*testing.T) { m.Fail(nil) },
		}
	})
}

func TestMemoryHeldOtherwise(t *testing.T) {
	m := connectortest.NewMemory("dba")
	a := connector.Access{Account: "amira", Privilege: "dba"}
	m.HoldOtherwise(a.Account, a.Privilege, "staff")
	if err := m.Revoke(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	held, err := m.List(t.Context(), a.Account)
	if err != nil || connector.Gone(held, a) || len(connector.Foreign(held, nil)) != 1 {
		t.Errorf("got %+v, %v, want it held via staff", held, err)
	}
	m.HoldOtherwise(a.Account, a.Privilege)
	if held, err = m.List(t.Context(), a.Account); err != nil || !connector.Gone(held, a) {
		t.Errorf("got %+v, %v, want it gone", held, err)
	}
}
