package sqlstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"portcullis/internal/store"
)

// largestGroup is how many commits are written at once. Groups of twenty to thirty form by themselves; the bound keeps
// the first of a group from waiting for too many others.
const largestGroup = 64

// job is a write that waits for a writer.
type job struct {
	change *change
	// do is a write of SQLite's that is no commit.
	do    func(*sqliteWriter) error
	taken atomic.Bool
	done  chan error
}

// take says whether the job is still wanted. Whoever takes it answers it.
func (j *job) take() bool { return !j.taken.Swap(true) }

// queue hands jobs to writers.
type queue struct {
	mu     sync.RWMutex // held for writing by close alone
	closed bool
	jobs   chan *job
}

func newQueue() *queue { return &queue{jobs: make(chan *job, 4*largestGroup)} }

// submit waits until a job is done. A job whose context ends before a writer takes it is not done at all; after that the
// caller cannot know.
func (q *queue) submit(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.done = make(chan error, 1)
	if err := q.send(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
	}
	if j.take() {
		return ctx.Err()
	}
	select {
	case err := <-j.done:
		return err
	default:
		return fmt.Errorf("%w: the caller left while it was being written: %w", store.ErrUnavailable, ctx.Err())
	}
}

func (q *queue) send(ctx context.Context, j *job) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return errClosed
	}
	select {
	case q.jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close lets writers finish what was submitted.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.jobs)
	}
}

// gather waits for a job and takes those that wait behind it.
func (q *queue) gather() (jobs []*job, more bool) {
	for len(jobs) == 0 {
		j, ok := <-q.jobs
		if !ok {
			return nil, false
		}
		if j.take() {
			jobs = append(jobs, j)
		}
	}
	return q.waiting(jobs), true
}

// waiting takes what waits, without waiting itself.
func (q *queue) waiting(jobs []*job) []*job {
	for len(jobs) < largestGroup {
		select {
		case j, ok := <-q.jobs:
			if !ok {
				return jobs
			}
			if j.take() {
				jobs = append(jobs, j)
			}
		default:
			return jobs
		}
	}
	return jobs
}
