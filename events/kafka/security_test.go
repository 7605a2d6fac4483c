package kafka_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/events/broker"
	"github.com/tollhouse/tollhouse/events/eventstest"
	"github.com/tollhouse/tollhouse/events/kafka"
)

// TestSecurity publishes and subscribes over TLS, with each mechanism of SASL; and not with a wrong password, which
// stands in no error.
func TestSecurity(t *testing.T) {
	server, roots := certificate(t)
	for _, mechanism := range []string{kafka.Plain, kafka.ScramSHA256, kafka.ScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			b := eventstest.NewBrokerWith(t, broker.Options{
				TLS:    &tls.Config{Certificates: []tls.Certificate{server}},
				Users:  []broker.User{{Mechanism: mechanism, Name: "relay", Password: "secret-1"}},
				Topics: []broker.Topic{{Name: "events"}},
			})
			c := connection(b.Addr())
			c.TLS = &tls.Config{RootCAs: roots}
			c.SASL = &kafka.SASL{Mechanism: mechanism, Username: "relay", Password: "secret-1"}
			p, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: c})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			publish(t, p, "events", 0, 0, 1)
			o := quick(b.Addr(), "group")
			o.Connection = c
			receiveAck(t, subscribe(t, newSubscriber(t, o), "events"))

			c.SASL = &kafka.SASL{Mechanism: mechanism, Username: "relay", Password: "secret-2"}
			stranger, err := kafka.NewPublisher(kafka.PublisherOptions{Connection: c})
			if err != nil {
				t.Fatal(err)
			}
			defer stranger.Close()
			if err := stranger.Publish("events", pinned(1, 1)...); err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("with a wrong password: %v", err)
			}
		})
	}
}

func TestPasswordIsNotPrinted(t *testing.T) {
	c := kafka.Connection{SASL: &kafka.SASL{Mechanism: kafka.Plain, Username: "relay", Password: "secret-1"}}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("connect", "sasl", *c.SASL, "pointer", c.SASL)
	for _, s := range []string{fmt.Sprint(*c.SASL), fmt.Sprintf("%+v %#v %v", *c.SASL, *c.SASL, c.SASL), logged.String()} {
		if strings.Contains(s, "secret") || !strings.Contains(s, "relay") {
			t.Errorf("printed: %s", s)
		}
	}
}

func TestConnectionValidate(t *testing.T) {
	c := kafka.Connection{Brokers: []string{"nowhere"}, SASL: &kafka.SASL{Mechanism: "GSSAPI"}}
	err := c.Validate()
	for _, want := range []string{"nowhere", "GSSAPI", "username"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := kafka.NewPublisher(kafka.PublisherOptions{}); err == nil {
		t.Error("a publisher without brokers is made")
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
