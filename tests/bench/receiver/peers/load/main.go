// Command load sends one prepared request over and over and tells what came back, as one line of JSON.
//
// It is one thread around epoll, so that it takes as little as possible of the core that it shares with the target.
// Without -rate each connection sends its next request as soon as the last one is answered. With -rate requests are due
// at fixed moments, whatever the server does, and a latency counts from the moment when its request was due: a server
// that stalls is charged for every request that should have been sent meanwhile.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"sort"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

type conn struct {
	fd      int
	address syscall.SockaddrInet4
	own     []byte // its own copy of the request, where each has to be another
	out     []byte // what of the request is not sent yet
	in      []byte // what of the answer has come
	due     int64  // when its request was due, nanoseconds
	busy    bool
}

const (
	deliveryID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
	digits     = 12 // of the id are counted up by -unique
)

type load struct {
	epoll, timer int
	request      []byte
	number       int // where in the request its number stands; 0: all are the same
	sent         uint64
	conns        map[int32]*conn
	idle         []*conn
	begin, until int64 // the measured time
	interval     int64 // nanoseconds between requests; 0: as fast as answers come
	nextDue      int64
	latencies    []int64
	statuses     map[string]int
	failures     int
}

func main() {
	addresses := flag.String("address", "", "host:port, or several with commas, which are used in turn")
	path := flag.String("path", "/", "request path")
	size := flag.Int("body", 800, "bytes of the body")
	secret := flag.String("secret", "", "key of the signature")
	forge := flag.Bool("forge", false, "sign with another key")
	connections := flag.Int("connections", 32, "open connections")
	rate := flag.Float64("rate", 0, "requests a second; 0: as many as can be")
	overTLS := flag.Bool("tls", false, "call over TLS, trusting any certificate; not with -rate or -unique")
	unique := flag.Bool("unique", false, "give every request a delivery id of its own")
	warmup := flag.Duration("warmup", 300*time.Millisecond, "time before anything counts")
	duration := flag.Duration("duration", 2*time.Second, "time that counts")
	flag.Parse()

	l := &load{conns: map[int32]*conn{}, statuses: map[string]int{}}
	l.request = prepare(*path, *size, *secret, *forge)
	if *unique {
		l.number = bytes.Index(l.request, []byte(deliveryID)) + len(deliveryID) - digits
		l.sent = uint64(time.Now().UnixMicro()) // no run repeats another's
	}
	if *rate > 0 {
		l.interval = int64(1e9 / *rate)
	}
	places := strings.Split(*addresses, ",")
	if *overTLS {
		l.converse(dial(places, *connections), *warmup, *duration)
		l.report()
		return
	}
	l.epoll = must(syscall.EpollCreate1(0))
	for i := range *connections {
		l.open(resolve(places[i%len(places)]))
	}
	start := now()
	l.begin, l.until = start+warmup.Nanoseconds(), start+(*warmup+*duration).Nanoseconds()
	l.run(start)
	l.report()
}

// prepare returns the bytes of one signed request, with the headers that a large sender really sends.
func prepare(path string, size int, secret string, forge bool) []byte {
	body := []byte(`{"ref":"refs/heads/main","filler":"`)
	if len(body)+2 > size {
		body = bytes.Repeat([]byte("x"), size)
	} else {
		body = append(body, bytes.Repeat([]byte("x"), size-len(body)-2)...)
		body = append(body, `"}`...)
	}
	key := []byte(secret)
	if forge {
		key = append(key, '!')
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: hooks.example.com\r\nUser-Agent: GitHub-Hookshot/044aadd\r\n"+
		"Content-Length: %d\r\nAccept: */*\r\nContent-Type: application/json\r\n"+
		"X-GitHub-Delivery: "+deliveryID+"\r\nX-GitHub-Event: push\r\n"+
		"X-GitHub-Hook-ID: 292430182\r\nX-Hub-Signature-256: sha256=%s\r\n\r\n",
		path, len(body), hex.EncodeToString(mac.Sum(nil)))
	return append([]byte(head), body...)
}

func (l *load) open(address syscall.SockaddrInet4) {
	fd := must(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0))
	check(syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
	check(syscall.Connect(fd, &address))
	check(syscall.SetNonblock(fd, true))
	c := &conn{fd: fd, address: address}
	l.conns[int32(fd)] = c
	l.idle = append(l.idle, c)
	flags := uint32(syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | 1<<31) // edge-triggered
	check(syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: flags, Fd: int32(fd)}))
}

func (l *load) run(start int64) {
	l.nextDue = start
	if l.interval > 0 {
		l.timer = timerfd(start, l.interval)
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(l.timer)}
		check(syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, l.timer, &event))
	}
	l.dispatch()
	events := make([]syscall.EpollEvent, 1024)
	buffer := make([]byte, 1<<16)
	for now() < l.until {
		n, err := syscall.EpollWait(l.epoll, events, 100)
		if err == syscall.EINTR {
			continue
		}
		check(err)
		for _, event := range events[:n] {
			if l.interval > 0 && event.Fd == int32(l.timer) {
				syscall.Read(l.timer, buffer[:8])
				continue
			}
			if c := l.conns[event.Fd]; c != nil {
				l.serve(c, event.Events, buffer)
			}
		}
		l.dispatch()
	}
}

// dispatch gives work to idle connections: all there is, or what is due.
func (l *load) dispatch() {
	for len(l.idle) > 0 {
		due := now()
		if l.interval > 0 {
			if l.nextDue > due {
				return
			}
			due = l.nextDue
			l.nextDue += l.interval
		}
		c := l.idle[0] // the one that has rested longest, so that all are used
		l.idle = l.idle[1:]
		c.due, c.out, c.in, c.busy = due, l.next(c), c.in[:0], true
		l.write(c)
	}
}

// next returns the request to send: the one that all send, or this connection's copy with a number of its own.
func (l *load) next(c *conn) []byte {
	if l.number == 0 {
		return l.request
	}
	if c.own == nil {
		c.own = bytes.Clone(l.request)
	}
	l.sent++
	for i, n := l.number+digits-1, l.sent; i >= l.number; i, n = i-1, n>>4 {
		c.own[i] = "0123456789abcdef"[n&15]
	}
	return c.own
}

func (l *load) write(c *conn) {
	for len(c.out) > 0 {
		n, err := syscall.Write(c.fd, c.out)
		if err == syscall.EAGAIN {
			return
		}
		if err != nil {
			l.fail(c)
			return
		}
		c.out = c.out[n:]
	}
}

func (l *load) serve(c *conn, events uint32, buffer []byte) {
	if events&syscall.EPOLLOUT != 0 && len(c.out) > 0 {
		l.write(c)
	}
	if events&(syscall.EPOLLIN|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) == 0 || l.conns[int32(c.fd)] != c {
		return
	}
	for {
		n, err := syscall.Read(c.fd, buffer)
		if err == syscall.EAGAIN {
			return
		}
		if err != nil || n == 0 {
			l.fail(c)
			return
		}
		c.in = append(c.in, buffer[:n]...)
		if n < len(buffer) {
			break
		}
	}
	if status, whole := answer(c.in); whole && c.busy {
		l.finish(c, status)
	}
}

func (l *load) finish(c *conn, status string) {
	c.busy = false
	l.idle = append(l.idle, c)
	if at := now(); at >= l.begin && at < l.until {
		l.statuses[status]++
		l.latencies = append(l.latencies, at-c.due)
	}
	if len(c.out) > 0 { // answered before the request was sent whole: the connection is of no more use
		l.idle = l.idle[:len(l.idle)-1]
		l.replace(c)
	}
}

func (l *load) fail(c *conn) {
	if at := now(); c.busy && at >= l.begin && at < l.until {
		l.failures++
	}
	for i, other := range l.idle {
		if other == c {
			l.idle = append(l.idle[:i:i], l.idle[i+1:]...)
			break
		}
	}
	l.replace(c)
}

func (l *load) replace(c *conn) {
	delete(l.conns, int32(c.fd))
	syscall.Close(c.fd)
	l.open(c.address)
}

// answer reads the status of an answer and tells whether all of it is there.
func answer(raw []byte) (string, bool) {
	end := bytes.Index(raw, []byte("\r\n\r\n"))
	if end < 12 {
		return "", false
	}
	head := raw[:end+2]
	length := 0
	if at := bytes.Index(head, []byte("ontent-")); at >= 0 {
		for at >= 0 && at+8 < len(head) {
			if head[at+7]|0x20 == 'l' {
				for _, digit := range bytes.TrimLeft(head[at+len("ontent-length:"):], " ") {
					if digit < '0' || digit > '9' {
						break
					}
					length = length*10 + int(digit-'0')
				}
				break
			}
			next := bytes.Index(head[at+7:], []byte("ontent-"))
			if next < 0 {
				break
			}
			at += 7 + next
		}
	}
	return string(raw[9:12]), len(raw) >= end+4+length
}

func (l *load) report() {
	sort.Slice(l.latencies, func(i, j int) bool { return l.latencies[i] < l.latencies[j] })
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	seconds := float64(l.until-l.begin) / 1e9
	// What is due and unanswered at the end counts with the time that it has waited: it is the worst there is.
	waiting := 0
	if l.interval > 0 {
		waiting = int(max(0, (l.until-l.nextDue)/l.interval))
	}
	result := map[string]any{
		"answers": len(l.latencies), "seconds": seconds, "rate": float64(len(l.latencies)) / seconds,
		"statuses": l.statuses, "failures": l.failures, "unsent": waiting,
		"p50_us": l.percentile(50), "p99_us": l.percentile(99), "p999_us": l.percentile(99.9),
		"cpu_seconds": float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9,
	}
	check(json.NewEncoder(os.Stdout).Encode(result))
}

func (l *load) percentile(p float64) float64 {
	if len(l.latencies) == 0 {
		return 0
	}
	return float64(l.latencies[min(len(l.latencies)-1, int(p/100*float64(len(l.latencies))))]) / 1e3
}

// timerfd makes a descriptor that is readable at start and every interval after it, in the clock of now.
func timerfd(start, interval int64) int {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, 1, 0, 0)
	if errno != 0 {
		panic(errno)
	}
	spec := [2]syscall.Timespec{syscall.NsecToTimespec(interval), syscall.NsecToTimespec(start)}
	_, _, errno = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 1, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		panic(errno)
	}
	return int(fd)
}

// now is CLOCK_MONOTONIC in nanoseconds; time.Since(a zero point) is the same clock without a system call.
func now() int64 { return int64(time.Since(zero)) + zeroMonotonic }

var (
	zero          = time.Now()
	zeroMonotonic = monotonic()
)

func monotonic() int64 {
	var at syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&at)), 0)
	if errno != 0 {
		panic(errno)
	}
	return at.Nano()
}

func resolve(place string) syscall.SockaddrInet4 {
	address, err := net.ResolveTCPAddr("tcp4", place)
	check(err)
	found := syscall.SockaddrInet4{Port: address.Port}
	copy(found.Addr[:], address.IP.To4())
	return found
}

func must(fd int, err error) int {
	check(err)
	return fd
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}
