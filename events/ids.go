package events

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"
)

// RequestIDPrefix starts every request id; 26 characters follow.
const RequestIDPrefix = "req_"

const requestIDLen = len(RequestIDPrefix) + 26

// crockford is the alphabet of Crockford's base 32 in lower case: sorted by value, without i, l, o and u.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// NewRequestID returns `req_` and 26 characters that sort by time: 48 bits of Unix milliseconds, then 80 random bits.
func NewRequestID(now time.Time) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(now.UnixMilli())<<16)
	// Read never fails: crypto/rand ends the program where the system has no randomness.
	_, _ = rand.Read(raw[6:])
	var id [requestIDLen]byte
	copy(id[:], RequestIDPrefix)
	// 128 bits are 25 full digits of 5 bits and one of 3: the first digit holds the top three bits.
	hi, lo := binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	for i := requestIDLen - 1; i >= len(RequestIDPrefix); i-- {
		id[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(id[:])
}

// ErrRequestID is returned for what is not a request id of ours.
var ErrRequestID = errors.New("not a request id")

// RequestIDTime returns the millisecond in which the id was made.
func RequestIDTime(id string) (time.Time, error) {
	if len(id) != requestIDLen || !strings.HasPrefix(id, RequestIDPrefix) || id[len(RequestIDPrefix)] > '7' {
		return time.Time{}, ErrRequestID
	}
	var ms uint64
	// The first ten digits are 50 bits, of which the top two are zero: 48 bits of milliseconds.
	for i := len(RequestIDPrefix); i < requestIDLen; i++ {
		digit := strings.IndexByte(crockford, id[i])
		if digit < 0 {
			return time.Time{}, ErrRequestID
		}
		if i < len(RequestIDPrefix)+10 {
			ms = ms<<5 | uint64(digit)
		}
	}
	return time.UnixMilli(int64(ms)).UTC(), nil
}

// SettledEventID identifies the settlement of one attempt: `<request id>/<attempt>/settled`.
func SettledEventID(requestID string, attempt uint16) string {
	return requestID + "/" + strconv.Itoa(int(attempt)) + "/settled"
}

// ClosedEventID identifies the closing of a request: `<request id>/closed`.
func ClosedEventID(requestID string) string { return requestID + "/closed" }

// NumberedEventID identifies what a gateway says of itself: `<gateway>/<epoch>/<seq>/<kind>`.
func NumberedEventID(gatewayID string, epoch, seq uint64, kind string) string {
	return gatewayID + "/" + strconv.FormatUint(epoch, 10) + "/" + strconv.FormatUint(seq, 10) + "/" + kind
}
