package kube

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Front is an address at which the clients of some pods reach them.
type Front struct {
	URL    string
	Of     string // the Service or Ingress that has it
	Inside bool   // it is only reached from inside of the cluster
}

// Fronts are the Ingresses and Services in front of the pods of a selection, those that are
// reached from outside first. It reads Services and Ingresses, which a run never does.
func (c *Client) Fronts(ctx context.Context, s Selection) ([]Front, error) {
	pods, _, err := c.list(ctx, s)
	if err != nil || len(pods) == 0 {
		return nil, err
	}
	core, err := c.Core()
	if err != nil {
		return nil, err
	}
	var services corev1.ServiceList
	if err := core.Get().Namespace(s.Namespace).Resource("services").Do(ctx).Into(&services); err != nil {
		return nil, c.failed("list services in "+s.Namespace, err)
	}
	var outside, inside []Front
	names := map[string]bool{}
	for i := range services.Items {
		of := &services.Items[i]
		if len(of.Spec.Selector) == 0 || !labels.SelectorFromSet(of.Spec.Selector).Matches(labels.Set(pods[0].Labels)) {
			continue
		}
		names[of.Name] = true
		out, in := frontsOf(of)
		outside, inside = append(outside, out...), append(inside, in...)
	}
	ingresses, err := c.ingresses(ctx, s.Namespace, names)
	if err != nil {
		return nil, err
	}
	return append(append(ingresses, outside...), inside...), nil
}

// frontsOf are the addresses of a Service.
func frontsOf(s *corev1.Service) (outside, inside []Front) {
	for _, p := range s.Spec.Ports {
		if p.Protocol != "" && p.Protocol != corev1.ProtocolTCP {
			continue
		}
		port := strconv.Itoa(int(p.Port))
		of := "service/" + s.Name
		for _, in := range s.Status.LoadBalancer.Ingress {
			host := in.Hostname
			if host == "" {
				host = in.IP
			}
			if host != "" {
				outside = append(outside, Front{URL: scheme(p) + "://" + net.JoinHostPort(host, port), Of: of})
			}
		}
		host := fmt.Sprintf("%s.%s.svc", s.Name, s.Namespace)
		inside = append(inside, Front{URL: scheme(p) + "://" + net.JoinHostPort(host, port), Of: of, Inside: true})
	}
	return outside, inside
}

// httpsPort is the port of HTTPS.
const httpsPort = 443

// scheme is what a port of a Service is likely to speak.
func scheme(p corev1.ServicePort) string {
	if p.Port == httpsPort || p.Name == "https" || p.AppProtocol != nil && *p.AppProtocol == "https" {
		return "https"
	}
	return "http"
}

// ingresses are the addresses of Ingresses for some Services.
func (c *Client) ingresses(ctx context.Context, namespace string, services map[string]bool) (out []Front, err error) {
	api, err := c.API(networkingv1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	var all networkingv1.IngressList
	if err := api.Get().Namespace(namespace).Resource("ingresses").Do(ctx).Into(&all); err != nil {
		return nil, c.failed("list ingresses in "+namespace, err)
	}
	for _, i := range all.Items {
		secure := map[string]bool{}
		for _, t := range i.Spec.TLS {
			for _, h := range t.Hosts {
				secure[h] = true
			}
		}
		for _, r := range i.Spec.Rules {
			if r.HTTP == nil || r.Host == "" {
				continue
			}
			for _, p := range r.HTTP.Paths {
				if p.Backend.Service == nil || !services[p.Backend.Service.Name] {
					continue
				}
				scheme := "http"
				if secure[r.Host] {
					scheme = "https"
				}
				path := p.Path
				if path == "/" {
					path = ""
				}
				out = append(out, Front{URL: scheme + "://" + r.Host + path, Of: "ingress/" + i.Name})
			}
		}
	}
	return out, nil
}
