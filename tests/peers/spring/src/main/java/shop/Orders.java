package shop;

import static org.springframework.security.config.Customizer.withDefaults;

import java.util.Objects;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.oauth2.jwt.SupplierJwtDecoder;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** The service `orders`. */
@SpringBootApplication
@RestController
public class Orders {
  public static void main(String[] arguments) {
    SpringApplication.run(Orders.class, arguments);
  }

  @Bean
  JwtDecoder decoder(
      @Value("${spring.security.oauth2.resourceserver.jwt.issuer-uri}") String issuer,
      @Value("${spring.security.oauth2.resourceserver.jwt.audiences}") String audience) {
    var accessTokens = JwtValidators.createAtJwtValidator().issuer(issuer).audience(audience)
        .validators(all -> all.put("client_id", new JwtClaimValidator<String>("client_id", Objects::nonNull)))
        .build();
    return new SupplierJwtDecoder(() -> {
      var decoder = NimbusJwtDecoder.withIssuerLocation(issuer).build();
      decoder.setJwtValidator(accessTokens);
      return decoder;
    });
  }

  @Bean
  SecurityFilterChain security(HttpSecurity http) throws Exception {
    return http
        .authorizeHttpRequests(requests -> requests
            .requestMatchers("/health").permitAll()
            .requestMatchers("/orders").hasAuthority("SCOPE_orders:read")
            .anyRequest().authenticated())
        .oauth2ResourceServer(server -> server.jwt(withDefaults()))
        .build();
  }

  @GetMapping("/health")
  String health() {
    return "ok";
  }

  @GetMapping("/orders")
  String orders(@AuthenticationPrincipal Jwt token) {
    return token.getSubject();
  }
}
