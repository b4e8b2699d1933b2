package main

import (
	"crypto/tls"
	"sync"
	"time"
)

// dial opens the connections and shakes hands on all of them, so that neither is part of what is measured.
func dial(places []string, connections int) []*tls.Conn {
	settings := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	opened := make([]*tls.Conn, connections)
	for i := range opened {
		connection, err := tls.Dial("tcp", places[i%len(places)], settings)
		check(err)
		opened[i] = connection
	}
	return opened
}

// converse is run over TLS: Go's own client has no use for epoll, so each connection has a goroutine.
func (l *load) converse(connections []*tls.Conn, warmup, duration time.Duration) {
	start := now()
	l.begin, l.until = start+warmup.Nanoseconds(), start+(warmup+duration).Nanoseconds()
	var all sync.WaitGroup
	var counting sync.Mutex
	for _, connection := range connections {
		all.Add(1)
		go func() {
			defer all.Done()
			defer connection.Close()
			buffer := make([]byte, 1<<14)
			for due := now(); due < l.until; due = now() {
				status, err := call(connection, l.request, buffer)
				at := now()
				counting.Lock()
				if err != nil {
					l.failures++
				} else if at >= l.begin && at < l.until {
					l.statuses[status]++
					l.latencies = append(l.latencies, at-due)
				}
				counting.Unlock()
				if err != nil {
					return
				}
			}
		}()
	}
	all.Wait()
}

// call sends one request and returns the status of its answer.
func call(connection *tls.Conn, request, buffer []byte) (string, error) {
	if _, err := connection.Write(request); err != nil {
		return "", err
	}
	for have := 0; ; {
		n, err := connection.Read(buffer[have:])
		if err != nil {
			return "", err
		}
		have += n
		if status, whole := answer(buffer[:have]); whole {
			return status, nil
		}
	}
}
