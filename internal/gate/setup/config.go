package setup

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/loadgen"
)

func requestsOf(p *plan.Plan) ([]loadgen.Request, error) {
	l := p.Load
	if l.File != "" {
		requests, err := loadgen.ReadTargets(p.Resolve(l.File), l.Format)
		if err != nil {
			return nil, err
		}
		for i := range requests {
			p.Learn(requests[i].URL, requests[i].Header)
			requests[i].Abandon = float64(l.Abandon)
			requests[i].MayFail = l.Success == 0
			requests[i].Name = p.RequestName(requests[i].Method, requests[i].URL)
		}
		return loadgen.Group(requests), nil
	}
	var out []loadgen.Request
	for i, r := range l.Requests {
		lr := loadgen.Request{
			Method: r.Method, URL: r.URL, Header: http.Header{}, Body: []byte(r.Body), Weight: r.Weight,
			Abandon: float64(l.Abandon), MayFail: l.Success == 0,
			Name: p.RequestName(r.Method, r.URL), Place: fmt.Sprintf("load.requests[%d]", i),
		}
		for k, v := range r.Header {
			lr.Header.Set(k, v)
		}
		if r.Success != nil {
			lr.MayFail = *r.Success == 0
		}
		if r.Abandon != nil {
			lr.Abandon = float64(*r.Abandon)
		}
		if r.BodyFile != "" {
			body, err := os.ReadFile(p.Resolve(r.BodyFile))
			if err != nil {
				return nil, fmt.Errorf("reading body: %w", err)
			}
			lr.Body = body
		}
		out = append(out, lr)
	}
	return loadgen.TellApart(out), nil
}

// tlsConfig is nil where the system's defaults will do.
func tlsConfig(p *plan.Plan, ca, cert, key string, insecure bool) (*tls.Config, error) {
	if ca == "" && cert == "" && !insecure {
		return nil, nil
	}
	c := &tls.Config{InsecureSkipVerify: insecure}
	if ca != "" {
		pem, err := os.ReadFile(p.Resolve(ca))
		if err != nil {
			return nil, fmt.Errorf("reading ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("ca: no PEM certificate in " + ca)
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(p.Resolve(cert), p.Resolve(key))
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
