{{/* The pods of both stores. */}}
{{- define "livechat.pod" -}}
metadata:
  labels:
    {{- include "livechat.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Restarts the pods when settings change.
    checksum/settings: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  # The server exits at most four seconds after it has closed its sockets. The rest is reserve.
  terminationGracePeriodSeconds: {{ add .Values.preStopSeconds .Values.drainSeconds 20 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    {{- if eq .Values.store "embedded" }}
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    {{- end }}
    seccompProfile:
      type: RuntimeDefault
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .Values.store "redis" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "livechat.selector" . | nindent 10 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: livechat
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      ports:
        - name: http
          containerPort: 8001
      envFrom:
        - configMapRef:
            name: {{ include "livechat.name" . }}
        {{- with .Values.existingSecret }}
        - secretRef:
            name: {{ . }}
        {{- end }}
      # Checks only the process: if Redis is unavailable, the servers must not be restarted.
      livenessProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 6
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      startupProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 1
        # Longer than REDIS_WAIT: the server does not listen until Redis answers.
        failureThreshold: 60
      lifecycle:
        preStop:
          # Gives proxies time to remove this pod.
          sleep:
            seconds: {{ .Values.preStopSeconds }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      {{- if or (eq .Values.store "embedded") .Values.filesSecret }}
      volumeMounts:
        {{- if eq .Values.store "embedded" }}
        - name: data
          mountPath: /data
        {{- end }}
        {{- if .Values.filesSecret }}
        - name: files
          mountPath: /etc/livechat
          readOnly: true
        {{- end }}
      {{- end }}
  {{- $claim := and (eq .Values.store "embedded") .Values.persistence.existingClaim }}
  {{- if or $claim .Values.filesSecret }}
  volumes:
    {{- with $claim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ . }}
    {{- end }}
    {{- with .Values.filesSecret }}
    - name: files
      secret:
        secretName: {{ . }}
    {{- end }}
  {{- end }}
{{- end -}}
