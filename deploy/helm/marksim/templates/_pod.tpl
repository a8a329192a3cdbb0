{{/* A probe, GET `path` unless it names its own way. Takes (list {probe} path). */}}
{{- define "marksim.probe" -}}
{{- $probe := omit (index . 0) "enabled" -}}
{{- if not (or $probe.httpGet $probe.grpc $probe.tcpSocket $probe.exec) -}}
{{- $_ := set $probe "httpGet" (dict "path" (index . 1) "port" "http") -}}
{{- end -}}
{{- toYaml $probe -}}
{{- end -}}

{{/* The wait before SIGTERM; the kubelet can sleep by itself from 1.30. Takes (list $ seconds). */}}
{{- define "marksim.preStop" -}}
{{- $seconds := index . 1 | int -}}
{{- if semverCompare ">=1.30.0-0" (index . 0).Capabilities.KubeVersion.Version -}}
sleep:
  seconds: {{ $seconds }}
{{- else -}}
exec:
  command: [python, -c, "import time; time.sleep({{ $seconds }})"]
{{- end -}}
{{- end -}}

{{- define "marksim.podAnnotations" -}}
{{- $root := .root -}}
{{- $own := dict "checksum/settings" (.settings | sha256sum) -}}
{{- if .scenario -}}
{{- $_ := set $own "checksum/scenario" (include "marksim.scenarioChecksum" $root) -}}
{{- end -}}
{{- if and $root.Values.metrics.annotations (not $root.Values.metrics.serviceMonitor.enabled) (not $root.Values.metrics.podMonitor.enabled) -}}
{{- $_ := set $own "prometheus.io/scrape" "true" -}}
{{- $_ := set $own "prometheus.io/port" (toString (include "marksim.ports" .component | fromYaml).http) -}}
{{- $_ := set $own "prometheus.io/path" "/metrics" -}}
{{- end -}}
{{- toYaml (merge (deepCopy .values.podAnnotations) $own $root.Values.commonAnnotations) -}}
{{- end -}}

{{/* What a pod is placed and trusted by. Takes (dict "root" "component" "values"). */}}
{{- define "marksim.podBasics" -}}
serviceAccountName: {{ include "marksim.serviceAccountName" .root | quote }}
automountServiceAccountToken: false
# Variables of other Services would be read by nobody.
enableServiceLinks: false
{{- with include "marksim.pullSecrets" .root }}
{{ . }}
{{- end }}
securityContext:
  {{- toYaml .values.podSecurityContext | nindent 2 }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "marksim.container" -}}
{{- $live := .root.Values.dev.liveUpdate -}}
name: {{ .component }}
image: {{ include "marksim.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- if $live }}
command:
  - /bin/sh
  - -c
  - |
    {{- .root.Files.Get "files/live-update.sh" | nindent 4 }}
  - live-update
{{- end }}
args:
  {{- toYaml (concat (list .component "--config" "/etc/marksim/settings/settings.yaml") .values.args) | nindent 2 }}
{{- with .values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- range $name, $port := include "marksim.ports" .component | fromYaml }}
  - name: {{ $name }}
    containerPort: {{ $port }}
    protocol: TCP
  {{- end }}
{{- /* The startup probe asks for life only: to be ready, an engine, edge or archiver needs the order books. */}}
{{- range $kind, $path := dict "startup" "/healthz" "readiness" "/readyz" "liveness" "/healthz" }}
{{- $probe := get $.values.probes $kind }}
{{- if $probe.enabled }}
{{ $kind }}Probe:
  {{- include "marksim.probe" (list $probe $path) | nindent 2 }}
{{- end }}
{{- end }}
{{- if .values.preStopSeconds }}
lifecycle:
  preStop:
    {{- include "marksim.preStop" (list .root .values.preStopSeconds) | nindent 4 }}
{{- end }}
resources:
  {{- toYaml .values.resources | nindent 2 }}
securityContext:
  {{- toYaml .values.containerSecurityContext | nindent 2 }}
volumeMounts:
  - name: settings
    mountPath: /etc/marksim/settings
    readOnly: true
  {{- if and .scenario .root.Values.scenario.inline }}
  - name: scenario
    mountPath: /etc/marksim/scenario
    readOnly: true
  {{- end }}
  - name: tmp
    mountPath: /tmp
  {{- if $live }}
  - name: live
    mountPath: /live
  {{- end }}
  {{- with .mounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Copies the package, with its compiled kernels and their times, to where it can be written. */}}
{{- define "marksim.liveCopy" -}}
name: live-copy
image: {{ include "marksim.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command:
  - python
  - -c
  - |
    import importlib.util
    import pathlib
    import shutil

    package = pathlib.Path(importlib.util.find_spec("marksim").origin).parent
    shutil.copytree(package, "/live/marksim", dirs_exist_ok=True)
resources:
  {{- toYaml .values.resources | nindent 2 }}
securityContext:
  {{- toYaml .values.containerSecurityContext | nindent 2 }}
volumeMounts:
  - name: live
    mountPath: /live
  - name: tmp
    mountPath: /tmp
{{- end -}}

{{/*
The pod template of a component. Takes (dict "root" "component" "values" "name" "settings"), and where it applies
"scenario" (true: the pod follows the scenario), "mounts", "volumes", "labels" (more to select it by).
`name` is that of the ConfigMap with the settings.
*/}}
{{- define "marksim.podTemplate" -}}
{{- $selector := merge (dict) (.labels | default dict) (include "marksim.selectorLabels" (list .root .component) | fromYaml) -}}
metadata:
  labels:
    {{- toYaml (merge (deepCopy $selector) (deepCopy .values.podLabels) (dict "app.kubernetes.io/part-of" "marksim") .root.Values.commonLabels) | nindent 4 }}
  annotations:
    {{- include "marksim.podAnnotations" . | nindent 4 }}
spec:
  {{- include "marksim.podBasics" . | nindent 2 }}
  {{- with .values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{ toYaml (merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" $selector))) | nindent 6 | trim }}
    {{- end }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
  {{- if .root.Values.dev.liveUpdate }}
  initContainers:
    - {{ include "marksim.liveCopy" . | nindent 6 | trim }}
  {{- end }}
  containers:
    - {{ include "marksim.container" . | nindent 6 | trim }}
  volumes:
    - name: settings
      configMap:
        name: {{ .name }}
    {{- if and .scenario .root.Values.scenario.inline }}
    - name: scenario
      configMap:
        name: {{ include "marksim.componentName" (list .root "scenario") }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: {{ .values.tmpSizeLimit }}
    {{- if .root.Values.dev.liveUpdate }}
    - name: live
      emptyDir: {}
    {{- end }}
    {{- with .volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
