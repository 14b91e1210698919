package worker

import (
	"math/rand/v2"
	"time"
)

const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
)

// pause is how long to wait after so many failures in a row: a random part of a time that doubles, so that those who
// failed together do not come back together. It is never shorter than a tenth of that time.
func pause(first time.Duration, failures int) time.Duration {
	most := longestPause
	if shift := max(failures-1, 0); shift < 20 {
		most = min(longestPause, first<<shift)
	}
	return max(most/10, rand.N(most)+1).Truncate(time.Microsecond)
}
