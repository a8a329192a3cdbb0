{{/* A peer: the pods of a component of this release. Takes (list $ "edge"). */}}
{{- define "marksim.peer" -}}
podSelector:
  matchLabels:
    {{- include "marksim.selectorLabels" . | nindent 4 }}
{{- end -}}

{{/*
NetworkPolicy of a component. Takes (dict "root" "component" "values"), "callers": components that call its gRPC, "public": a
port for clients, "calls": {component: port name} that it calls itself, "feed": a WebSocket address elsewhere that it reads.
*/}}
{{- define "marksim.networkPolicy" -}}
{{- $root := .root -}}
{{- $policy := $root.Values.networkPolicy -}}
{{- $ports := include "marksim.ports" .component | fromYaml -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "marksim.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "marksim.selectorLabels" (list $root .component) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- $callers := list }}
  {{- range .callers }}
  {{- $callers = append $callers (include "marksim.peer" (list $root .) | fromYaml) }}
  {{- end }}
  {{- $ingress := list }}
  {{- with concat $callers $policy.grpcClients }}
  {{- $ingress = append $ingress (dict "from" . "ports" (list (dict "port" $ports.grpc "protocol" "TCP"))) }}
  {{- end }}
  {{- $metrics := $policy.metricsClients }}
  {{- if eq .component "memory" }}
  {{- /* Its page and its metrics are one port, and the release test reads the page. */}}
  {{- $metrics = append $metrics (include "marksim.peer" (list $root "test") | fromYaml) }}
  {{- end }}
  {{- with $metrics }}
  {{- $ingress = append $ingress (dict "from" . "ports" (list (dict "port" $ports.http "protocol" "TCP"))) }}
  {{- end }}
  {{- if .public }}
  {{- $rule := dict "ports" (list (dict "port" (get $ports .public) "protocol" "TCP")) }}
  {{- with $policy.publicClients }}
  {{- $own := list (include "marksim.peer" (list $root "dashboard") | fromYaml) (include "marksim.peer" (list $root "test") | fromYaml) }}
  {{- $_ := set $rule "from" (concat $own .) }}
  {{- end }}
  {{- $ingress = append $ingress $rule }}
  {{- end }}
  {{- /* No rule is no key: the API server stores no empty list, so each upgrade would count as a change of it. */}}
  {{- with concat $ingress .values.networkPolicy.extraIngress }}
  ingress:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "marksim.egress" . }}
  egress:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Port of a WebSocket address. Takes "wss://feed.example.com/". */}}
{{- define "marksim.feedPort" -}}
{{- $authority := regexFind "^wss?://[^/?#]*" . -}}
{{- regexFind ":[0-9]+$" $authority | trimPrefix ":" | default (ternary "443" "80" (hasPrefix "wss:" $authority)) -}}
{{- end -}}

{{/* Egress rules, empty without any: to whom it calls, and to DNS where it calls anybody. Takes what "marksim.networkPolicy" takes. */}}
{{- define "marksim.egress" -}}
{{- $root := .root -}}
{{- $rules := list -}}
{{- range $component, $port := .calls | default dict -}}
{{- if (index $root.Values $component).enabled -}}
{{- $number := get (include "marksim.ports" $component | fromYaml) $port -}}
{{- $peer := include "marksim.peer" (list $root $component) | fromYaml -}}
{{- $rules = append $rules (dict "to" (list $peer) "ports" (list (dict "port" $number "protocol" "TCP"))) -}}
{{- end -}}
{{- end -}}
{{- with .feed -}}
{{- $rules = append $rules (dict "ports" (list (dict "port" (include "marksim.feedPort" . | int) "protocol" "TCP"))) -}}
{{- end -}}
{{- if .calls -}}
{{- $ports := list -}}
{{- range $root.Values.networkPolicy.dns.ports -}}
{{- $ports = concat $ports (list (dict "port" . "protocol" "UDP") (dict "port" . "protocol" "TCP")) -}}
{{- end -}}
{{- $dns := dict "ports" $ports -}}
{{- with $root.Values.networkPolicy.dns.to -}}
{{- $_ := set $dns "to" . -}}
{{- end -}}
{{- $rules = append $rules $dns -}}
{{- end -}}
{{- with concat $rules .values.networkPolicy.extraEgress -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}
