package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	franzsasl "github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Mechanisms of SASL. Plain sends the password: only over TLS.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// SASL names a user to the brokers. It prints without the password.
type SASL struct {
	Mechanism, Username, Password string
}

// Validate returns all that is wrong with it.
func (s *SASL) Validate() error {
	var errs []error
	switch s.Mechanism {
	case Plain, ScramSHA256, ScramSHA512:
	default:
		errs = append(errs, fmt.Errorf("sasl: mechanism %q: must be %s, %s or %s", s.Mechanism, Plain, ScramSHA256, ScramSHA512))
	}
	if s.Username == "" || s.Password == "" {
		errs = append(errs, errors.New("sasl: needs a username and a password"))
	}
	return errors.Join(errs...)
}

// String, GoString and LogValue keep the password out of logs.
func (s SASL) String() string { return s.Mechanism + " " + s.Username }

// GoString is String, for %#v.
func (s SASL) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s SASL) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (s *SASL) mechanism() (sasl.Mechanism, error) {
	auth := scram.Auth{User: s.Username, Pass: s.Password}
	switch s.Mechanism {
	case Plain:
		return plain.Mechanism{Username: s.Username, Password: s.Password}, nil
	case ScramSHA256:
		return scramMechanism{auth.AsSha256Mechanism()}, nil
	case ScramSHA512:
		return scramMechanism{auth.AsSha512Mechanism()}, nil
	}
	return nil, s.Validate()
}

// scramMechanism lends kafka-go the SCRAM of franz-go, which needs no library that is not here anyway.
type scramMechanism struct{ franzsasl.Mechanism }

func (m scramMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	session, first, err := m.Authenticate(ctx, "") // SCRAM does not name the host
	if err != nil {
		return nil, nil, err
	}
	return scramSession{session}, first, nil
}

type scramSession struct{ franzsasl.Session }

func (s scramSession) Next(_ context.Context, challenge []byte) (done bool, response []byte, err error) {
	return s.Challenge(challenge)
}
