package sqlstore

import (
	"net"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// primaryOnly passes over servers that take no writes, where the URL names several and does not say which of them is meant: after a
// fail-over the one that was promoted is found by that, wherever it stands among them.
func primaryOnly(config *pgconn.Config) {
	hosts := map[string]bool{address(config.Host, config.Port): true}
	for _, f := range config.Fallbacks { // the first one is there again where it may be reached in another way
		hosts[address(f.Host, f.Port)] = true
	}
	if len(hosts) > 1 && config.ValidateConnect == nil {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

func address(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
